#include "models/row_writer.h"

#include <algorithm>
#include <optional>

#include "engine/linear_cache.h"
#include "kernels/pack.h"

namespace sesame::models {

namespace {

bool is_plain(const LinearRows& op) { return op.activation == kernels::Activation::none && !op.adds_residual; }

}  // namespace

RowView RowWriter::new_rows(std::size_t width, bool bytes) {
  buffers_.push_back({width, bytes, false, 0});
  return {buffers_.size() - 1, 0, width};
}

void RowWriter::write_linear(std::size_t program, LinearRows op, engine::LinearWeights weights,
                             const engine::LinearScheme& scheme) {
  program_at(program).push_back({std::move(op), {std::move(weights)}, scheme});
}

template <class Fn>
void RowWriter::for_all_views(RowEncoder& encoder, Fn&& fn) {
  for (Program& program : programs_) {
    for (Pending& pending : program) for_each_view(pending.op, fn);
  }
  for (RowAttention& a : encoder.attentions) {
    for (RowView* view : {&a.query, &a.key, &a.value, &a.context}) fn(*view);
  }
}

// Puts the others' columns behind the first's, in one buffer.
void RowWriter::merge_into(Pending& first, std::vector<Pending*>& others, std::map<std::size_t, RowView>& moved) {
  std::size_t end = 0;
  std::vector<RowView*> outs = {&std::get<LinearRows>(first.op).out};
  for (Pending* other : others) {
    outs.push_back(&std::get<LinearRows>(other->op).out);
    first.parts.push_back(other->parts[0]);
    other->parts.clear();  // nothing is left of it
  }
  const RowView all = new_rows(0);
  for (RowView* out : outs) {
    const std::size_t begin = kernels::round_up(end, kernels::kPanel);
    moved[out->buffer] = {all.buffer, begin, out->width};
    end = begin + out->width;
  }
  buffers_[all.buffer].width = kernels::round_up(end, kernels::kPanel);
  *outs[0] = {all.buffer, 0, end};
}

void RowWriter::merge_linears(RowEncoder& encoder) {
  std::map<std::size_t, RowView> moved;  // a whole buffer to columns of another
  for (Program& program : programs_) {
    for (std::size_t i = 0; i < program.size(); ++i) {
      const auto* linear = std::get_if<LinearRows>(&program[i].op);
      if (linear == nullptr || program[i].parts.size() != 1 || !is_plain(*linear)) continue;
      std::vector<Pending*> others;
      for (std::size_t j = i + 1; j < program.size(); ++j) {
        const auto* other = std::get_if<LinearRows>(&program[j].op);
        if (other != nullptr && program[j].parts.size() == 1 && is_plain(*other) && other->x == linear->x &&
            same_rows(program[j].scheme, program[i].scheme)) {
          others.push_back(&program[j]);
        }
      }
      if (!others.empty()) merge_into(program[i], others, moved);
    }
    std::erase_if(program,
                  [](const Pending& p) { return std::holds_alternative<LinearRows>(p.op) && p.parts.empty(); });
  }
  for_all_views(encoder, [&](RowView& view) {
    const auto it = moved.find(view.buffer);
    if (it != moved.end()) view = {it->second.buffer, it->second.column + view.column, view.width};
  });
}

// What attention or a second program reads is kept for all rows.
void RowWriter::share_buffers(RowEncoder& encoder) {
  std::vector<std::optional<std::size_t>> user(buffers_.size());
  for (std::size_t p = 0; p < programs_.size(); ++p) {
    for (Pending& pending : programs_[p]) {
      for_each_view(pending.op, [&](RowView& view) {
        if (user[view.buffer].value_or(p) != p) buffers_[view.buffer].shared = true;
        user[view.buffer] = p;
      });
    }
  }
  for (RowAttention& a : encoder.attentions) {
    for (const RowView* view : {&a.query, &a.key, &a.value, &a.context}) buffers_[view->buffer].shared = true;
  }
}

// Copies of first rows in place of what the last program reads of all rows.
void RowWriter::prune_last_program() {
  Program& program = programs_.back();
  std::map<std::size_t, std::size_t> copies;
  for (Pending& pending : program) {
    for_each_view(pending.op, [&](RowView& view) {
      if (!buffers_[view.buffer].shared) return;
      const auto [it, is_new] = copies.try_emplace(view.buffer, buffers_.size());
      if (is_new) new_rows(buffers_[view.buffer].width, buffers_[view.buffer].bytes);
      view.buffer = it->second;
    });
  }
  Program firsts;
  for (const auto& [shared, copy] : copies) {
    const std::size_t width = buffers_[shared].width;
    firsts.push_back({FirstRows{{shared, 0, width}, {copy, 0, width}}, {}, {}});
  }
  program.insert(program.begin(), std::make_move_iterator(firsts.begin()), std::make_move_iterator(firsts.end()));
}

void RowWriter::finish(RowEncoder& encoder) {
  merge_linears(encoder);
  share_buffers(encoder);
  if (encoder.first_row_only) prune_last_program();
  engine::LinearCache cache;
  for (Program& program : programs_) {
    encoder.programs.emplace_back();
    for (Pending& pending : program) {
      if (auto* linear = std::get_if<LinearRows>(&pending.op))
        linear->linear = cache.get(pending.parts, pending.scheme);
      encoder.programs.back().push_back(std::move(pending.op));
    }
  }
  encoder.buffers = std::move(buffers_);
  place_buffers(encoder);
}

}  // namespace sesame::models
