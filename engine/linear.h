// A Linear with its weights packed for the kernels: y = act(x W + b) + residual, in the precision it was packed for.
//
// Layer structs hold Linears and do not know their precision: they ask the next Linear for the rows that it reads
// (make_rows), with scratch for them (row_bytes). int8 arithmetic: see linear_scheme.h, kernels/pack.h and
// kernels/table.h; bf16: both sides rounded, sums in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "engine/linear_scheme.h"
#include "engine/tensor.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::engine {

// Activation rows as some Linear reads them. Only the form that it wants needs to be there.
struct Rows {
  const float* f32 = nullptr;  // [rows][in_features], row stride ld
  std::ptrdiff_t ld = 0;
  const std::uint8_t* u8 = nullptr;  // quantize_row_u8's, row stride ld_u8
  std::ptrdiff_t ld_u8 = 0;
  const float* scale = nullptr;            // [rows]
  const std::int32_t* acc_init = nullptr;  // of rows whose zero point was not known before; else the Linear's own
  const std::uint16_t* bf16 = nullptr;     // to_bf16_row's, row stride ld_bf16
  std::ptrdiff_t ld_bf16 = 0;
};

// A Linear as it lies in memory once it is packed.
struct PackedLinear {
  std::size_t in = 0;
  std::size_t out = 0;
  Tensor weight;    // kernels/pack.h
  Tensor bias;      // [round_up(out, 16)] floats
  Tensor scale;     // int8 only, [round_up(out, 16)] floats
  Tensor acc_init;  // int8 only, [round_up(out, 16)] int32
};

// A weight as a graph holds it: [K, N], or [N, K] when transposed; bias [N] or undefined. Or packed already, and then
// that alone.
struct LinearWeights {
  Tensor weight;
  Tensor bias;
  bool transposed = false;
  std::string name = {};  // the weight's, for messages
  std::optional<PackedLinear> packed = {};

  std::size_t in_features() const {
    return packed ? packed->in : static_cast<std::size_t>(weight.dim(transposed ? 1 : 0));
  }
  std::size_t out_features() const {
    return packed ? packed->out : static_cast<std::size_t>(weight.dim(transposed ? 0 : 1));
  }
};

// Of a sesame.Linear node. One with attributes packed_in and packed_out has a packed weight, bias and, for int8, scales
// and initial sums as inputs 1 to 4 (packed_linears.h). Throws Error when weight or bias is not what a Linear needs.
LinearWeights linear_weights(const Graph& graph, const Node& node);

class Linear {
 public:
  Linear() = default;
  // Throws Error when int8 is asked for and a weight is not finite, the sums could overflow (kernels::kMaxK), or the
  // multiplier has another size than a row; or bf16 and a finite weight is beyond its range.
  Linear(const LinearWeights& weights, const LinearScheme& scheme);

  // Several Linears of the same input side by side: part i's columns start at part_offset(i), a multiple of 16, so that
  // parts can also be run on their own.
  Linear(std::span<const LinearWeights> parts, const LinearScheme& scheme);

  std::size_t in_features() const { return in_; }
  // Columns of the result, with the gaps between parts.
  std::size_t out_features() const { return out_; }
  std::size_t part_offset(std::size_t part) const { return part_offsets_[part]; }
  LinearPrecision precision() const { return scheme_.precision; }
  const LinearScheme& scheme() const { return scheme_; }

  // Bytes of a row in the form that this Linear reads; 0 where that is floats.
  std::size_t row_bytes() const;
  // `count` rows of x, row stride ld, in the form that this Linear reads. What has to be made lies in `made`,
  // row_bytes() a row, and `scale`, a float a row. Not for rows on the grid of a whole tensor.
  Rows make_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count, std::byte* made,
                 float* scale) const;
  // One row, act(x), likewise; in_features() floats at `activated` are scratch.
  void make_activated_row(const kernels::Table& kernels, kernels::Activation activation, const float* x,
                          float* activated, std::byte* made, float* scale) const;
  // As make_rows on the grid of a whole tensor (RowGrid::per_tensor), which the caller knows; acc_init is
  // init_sums()'s.
  Rows make_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count, float row_scale,
                 std::uint8_t zero_point, const std::int32_t* acc_init, std::byte* made, float* scale) const;
  // sums[n] = -zero_point * column sum, for n < round_up(out_features(), 16).
  void init_sums(std::uint8_t zero_point, std::int32_t* sums) const;

  std::size_t weight_bytes() const { return packed_.bytes() + scale_.bytes() + acc_init_.bytes() + bias_.bytes(); }
  // Where the packed weights are: copies of a Linear share it.
  const void* storage() const { return packed_.raw(); }
  explicit operator bool() const { return in_ != 0; }
  // What another Linear of the same scheme can be made of. Of a Linear in one part.
  PackedLinear packed() const { return {in_, out_, packed_, bias_, scale_, acc_init_}; }

  // c[m][n - begin] = act(x W + b)[m][n] + residual[m][n - begin] for columns n in [begin, end); begin is a multiple
  // of 16. The epilogue's bias is the Linear's own and need not be set.
  void run(const kernels::Table& kernels, const Rows& rows, std::size_t count, std::size_t begin, std::size_t end,
           kernels::Epilogue epilogue, float* c, std::ptrdiff_t ldc) const;
  void run(const kernels::Table& kernels, const Rows& rows, std::size_t count, const kernels::Epilogue& epilogue,
           float* c, std::ptrdiff_t ldc) const {
    run(kernels, rows, count, 0, out_, epilogue, c, ldc);
  }

 private:
  Rows round_rows(const kernels::Table& kernels, const float* x, std::ptrdiff_t ld, std::size_t count,
                  std::byte* made) const;
  void pack(std::span<const LinearWeights> parts);
  void adopt(std::span<const LinearWeights> parts);
  void pack_fp32(std::span<const LinearWeights> parts);
  void pack_bf16(std::span<const LinearWeights> parts);
  void pack_int8(std::span<const LinearWeights> parts);

  std::size_t in_ = 0;
  std::size_t out_ = 0;
  LinearScheme scheme_;
  std::vector<std::size_t> part_offsets_;
  Tensor packed_;    // kernels/pack.h; bf16 as bytes
  Tensor bias_;      // [round_up(out, 16)], 0 where a part has none
  Tensor scale_;     // int8 only, [round_up(out, 16)]
  Tensor acc_init_;  // int8 only, -zero point * column sums; zero point 1 for RowGrid::per_tensor
};

}  // namespace sesame::engine
