// Operations on rows as they are written down, before weights are packed and buffers have a place.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "engine/linear.h"
#include "models/row_encoder.h"

namespace sesame::models {

class RowWriter {
 public:
  // A buffer of its own.
  RowView new_rows(std::size_t width, bool bytes = false);
  const RowBuffer& buffer(const RowView& view) const { return buffers_[view.buffer]; }

  void write(std::size_t program, RowOp op) { program_at(program).push_back({std::move(op), {}, {}}); }
  // A LinearRows whose weights are packed later.
  void write_linear(std::size_t program, LinearRows op, engine::LinearWeights weights,
                    const engine::LinearScheme& scheme);

  // Moves what was written into `encoder`, whose attentions are there: Linears of the same rows become one, the last
  // program is made to read first rows alone if the encoder is to, and buffers are placed.
  void finish(RowEncoder& encoder);

 private:
  struct Pending {
    RowOp op;
    std::vector<engine::LinearWeights> parts;  // of a LinearRows
    engine::LinearScheme scheme;
  };
  using Program = std::vector<Pending>;

  Program& program_at(std::size_t program) {
    if (program >= programs_.size()) programs_.resize(program + 1);
    return programs_[program];
  }
  template <class Fn>
  void for_all_views(RowEncoder& encoder, Fn&& fn);
  void merge_linears(RowEncoder& encoder);
  void merge_into(Pending& first, std::vector<Pending*>& others, std::map<std::size_t, RowView>& moved);
  void share_buffers(RowEncoder& encoder);
  void prune_last_program();

  std::vector<Program> programs_;
  std::vector<RowBuffer> buffers_;
};

}  // namespace sesame::models
