#include "models/row_encoder_step.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/pack.h"
#include "models/encoder_memory.h"
#include "models/head_attention.h"
#include "models/row_blocks.h"
#include "models/row_inputs.h"
#include "sesame/error.h"

namespace sesame::models {

using engine::Execution;
using engine::Linear;
using engine::Tensor;

namespace {

InputSizes sizes_of(const RowEncoder& encoder, std::span<const Tensor> inputs) {
  InputSizes sizes;
  for (std::size_t i = 0; i < encoder.inputs.size(); ++i) join_sizes(!encoder.inputs[i].type, inputs[i], sizes);
  return sizes;
}

// A block's pointers to its rows of each buffer.
std::size_t pointer_bytes(const RowEncoder& encoder) {
  return kernels::round_up(encoder.buffers.size() * sizeof(std::byte*), 64);
}

std::size_t parameter_bytes(const RowEncoder& encoder) {
  return kernels::round_up(encoder.slots * sizeof(engine::DynamicParameters), 64);
}

// Of RangeRows, however few rows a block has.
std::size_t range_bytes(const RowEncoder& encoder, std::size_t rows) {
  return kernels::round_up(encoder.slots * most_blocks(rows) * sizeof(kernels::Range), 64);
}

void check_score_inputs(const RowEncoder& encoder, const engine::Inference& io, const InputSizes& sizes) {
  const auto batch = static_cast<std::int64_t>(sizes.batch), length = static_cast<std::int64_t>(sizes.length);
  for (const RowAttention& a : encoder.attentions) {
    std::vector<engine::DType> types(a.score_inputs.size(), engine::DType::f32);
    if (a.bytes) input_types(a.bytes->program, types);
    for (std::size_t i = 0; i < types.size(); ++i) {
      const auto heads = static_cast<std::int64_t>(a.heads);
      check_score_input(io.input(a.score_inputs[i]), types[i], {batch, heads, length, length});
    }
  }
}

}  // namespace

RowEncoderStep::RowEncoderStep(RowEncoder encoder) : encoder_(std::move(encoder)) {
  for (std::size_t p = 0; p < encoder_.programs.size(); ++p) {
    order_.push_back({false, p});
    for (std::size_t a = 0; a < encoder_.attentions.size(); ++a) {
      if (encoder_.attentions[a].program == p) order_.push_back({true, a});
    }
  }
}

void RowEncoderStep::infer(engine::Inference& io) const {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < encoder_.inputs.size(); ++i) inputs.push_back(io.input(i));
  const InputSizes sizes = sizes_of(encoder_, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_row_input(encoder_.inputs[i].type, encoder_.inputs[i].width, inputs[i], sizes);
  }
  if (encoder_.first_row_only && sizes.length == 0) throw Error("expected at least one position, found none");
  if (encoder_.mask.kind != MaskKind::none) check_key_mask(encoder_.mask.kind, io.input(inputs.size()), sizes);
  check_score_inputs(encoder_, io, sizes);
  for (std::size_t i = 0; i < encoder_.outputs.size(); ++i) {
    engine::Shape shape = {static_cast<std::int64_t>(sizes.batch), static_cast<std::int64_t>(sizes.length),
                           static_cast<std::int64_t>(encoder_.outputs[i].width)};
    if (encoder_.first_row_only) shape.erase(shape.begin() + 1);
    io.output(i, encoder_.outputs[i].type, std::move(shape));
  }
}

std::size_t RowEncoderStep::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const InputSizes sizes = sizes_of(encoder_, inputs);
  const std::size_t rows = sizes.batch * sizes.length;
  return RaggedBatch::bytes(sizes.batch, sizes.length) + rows * encoder_.shared_bytes + range_bytes(encoder_, rows);
}

std::size_t RowEncoderStep::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  std::size_t bytes = pointer_bytes(encoder_) + parameter_bytes(encoder_) + encoder_.sums +
                      kMaxBlock * (encoder_.block_bytes + sizeof(float) + encoder_.made);
  const std::size_t length = sizes_of(encoder_, inputs).length;
  for (const RowAttention& a : encoder_.attentions) {
    bytes = std::max(bytes, a.bytes ? byte_attention_scratch(length, a.head_dim)
                                    : head_attention_scratch(a.relative, length, a.head_dim));
  }
  return bytes;
}

std::size_t RowEncoderStep::program_rows(const Execution& e, std::size_t program) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  return encoder_.is_pruned(program) ? ragged.batch() : ragged.rows();
}

// All rows of a shared buffer.
std::byte* RowEncoderStep::shared_rows(const Execution& e, std::size_t buffer) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  std::byte* rows = e.scratch + RaggedBatch::bytes(ragged.batch(), ragged.length());
  return rows + encoder_.buffers[buffer].offset * ragged.batch() * ragged.length();
}

// Behind the shared rows.
RowRanges RowEncoderStep::ranges(const Execution& e) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const std::size_t rows = ragged.batch() * ragged.length();
  std::byte* memory = e.scratch + RaggedBatch::bytes(ragged.batch(), ragged.length()) + rows * encoder_.shared_bytes;
  return {reinterpret_cast<kernels::Range*>(memory), block_count(ragged.rows(), e.options->threads)};
}

std::size_t RowEncoderStep::items(const Execution& e, std::size_t phase) const {
  if (phase == 0) return 1;
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  if (ragged.rows() == 0) return 0;
  const int threads = e.options->threads;
  const auto [is_attention, index] = phase_at(phase);
  if (!is_attention) return block_count(program_rows(e, index), threads);
  const RowAttention& a = encoder_.attentions[index];
  return attention_items(ragged, a.heads, encoder_.is_pruned(a), threads);
}

std::string RowEncoderStep::phase_name(std::size_t phase) const {
  if (phase == 0) return "rows";
  return (phase_at(phase).is_attention ? "attention " : "rows ") + std::to_string(phase_at(phase).index);
}

void RowEncoderStep::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  std::byte* scratch = e.worker_scratch[static_cast<std::size_t>(worker)];
  if (phase == 0) return lay_out(e);
  const auto [is_attention, index] = phase_at(phase);
  is_attention ? attend(e, index, item, scratch) : run_program(e, index, item, scratch);
}

void RowEncoderStep::lay_out(const Execution& e) const {
  static const Tensor no_mask;
  const InputSizes sizes = sizes_of(encoder_, e.inputs);
  const Tensor& mask = encoder_.mask.kind == MaskKind::none ? no_mask : e.inputs[encoder_.inputs.size()];
  const bool all = e.options->padded_positions || encoder_.all_rows;
  const Queries queries = encoder_.first_row_only ? Queries::first : all ? Queries::all : Queries::keys;
  const RaggedBatch& ragged = RaggedBatch::lay_out(e.scratch, sizes.batch, sizes.length, encoder_.mask, mask, queries);
  if (ragged.rows() == sizes.batch * sizes.length || encoder_.first_row_only) return;
  for (const Tensor& output : e.outputs) std::memset(output.raw(), 0, output.bytes());
}

void RowEncoderStep::run_program(const Execution& e, std::size_t program, std::size_t item, std::byte* scratch) const {
  const bool pruned = encoder_.is_pruned(program);
  const std::size_t rows = program_rows(e, program);
  const std::size_t size = rows_per_block(rows, e.options->threads);
  const std::size_t begin = item * size;
  const std::span<std::byte*> buffers(reinterpret_cast<std::byte**>(scratch), encoder_.buffers.size());
  std::byte* rest = scratch + pointer_bytes(encoder_) + parameter_bytes(encoder_);
  std::byte* local = rest + encoder_.sums;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    const RowBuffer& buffer = encoder_.buffers[b];
    buffers[b] = buffer.shared ? shared_rows(e, b) + (pruned ? 0 : begin * buffer.row_bytes())
                               : local + buffer.offset * kMaxBlock;
  }
  RowBlock block{.e = e,
                 .ragged = RaggedBatch::at(e.scratch),
                 .index = item,
                 .begin = begin,
                 .count = std::min(size, rows - begin),
                 .first_rows = pruned,
                 .buffers = buffers,
                 .layout = encoder_.buffers};
  block.parameters = reinterpret_cast<engine::DynamicParameters*>(scratch + pointer_bytes(encoder_));
  block.ranges = ranges(e);
  block.sums = rest;
  block.scales = reinterpret_cast<float*>(local + encoder_.block_bytes * kMaxBlock);
  block.made = reinterpret_cast<std::byte*>(block.scales + kMaxBlock);
  models::run(encoder_.programs[program], block);
}

void RowEncoderStep::attend(const Execution& e, std::size_t index, std::size_t item, std::byte* scratch) const {
  const RowAttention& attention = encoder_.attentions[index];
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const AttentionItem found =
      attention_item(ragged, attention.heads, encoder_.is_pruned(attention), e.options->threads, item);
  if (attention.bytes) return attend_bytes(e, attention, found, scratch);
  const Sequence& s = ragged.sequence(found.sequence);
  const auto rows = [&](const RowView& view, std::size_t row) {
    const RowBuffer& buffer = encoder_.buffers[view.buffer];
    return reinterpret_cast<float*>(shared_rows(e, view.buffer) + row * buffer.row_bytes()) + view.column +
           found.head * attention.head_dim;
  };
  const auto stride = [&](const RowView& view) {
    return static_cast<std::ptrdiff_t>(encoder_.buffers[view.buffer].stride());
  };
  kernels::AttentionF32 a{};
  a.q = rows(attention.query, found.first);
  a.ldq = stride(attention.query);
  a.k = rows(attention.key, s.begin);
  a.ldk = stride(attention.key);
  a.v = rows(attention.value, s.begin);
  a.ldv = stride(attention.value);
  a.queries = found.queries;
  a.head_dim = attention.head_dim;
  a.out = rows(attention.context, found.first);
  a.ldo = stride(attention.context);
  attend_head(*e.kernels, {attention.precision, attention.score_scale, attention.relative, encoder_.mask}, ragged, s,
              found.head, found.first, {.floats = a}, scratch);
}

void RowEncoderStep::attend_bytes(const Execution& e, const RowAttention& a, const AttentionItem& item,
                                  std::byte* scratch) const {
  const Sequence& s = RaggedBatch::at(e.scratch).sequence(item.sequence);
  const auto rows = [&](const RowView& view, std::size_t row) {
    const RowBuffer& buffer = encoder_.buffers[view.buffer];
    const std::size_t column = view.column + item.head * a.head_dim;
    return HeadRows{shared_rows(e, view.buffer) + row * buffer.row_bytes() + column * buffer.element_bytes(),
                    buffer.row_bytes()};
  };
  const ScoreRow scores{.kernels = *e.kernels,
                        .inputs = e.inputs,
                        .places = a.score_inputs,
                        .sequence = item.sequence,
                        .head = item.head,
                        .bias = s.bias,
                        .flat = s.flat};
  models::run(*a.bytes, {.kernels = *e.kernels,
                         .q = rows(a.query, item.first),
                         .k = rows(a.key, s.begin),
                         .v = rows(a.value, s.begin),
                         .out = rows(a.context, item.first),
                         .queries = item.queries,
                         .keys = s.keys,
                         .head_dim = a.head_dim,
                         .first_query = item.first - s.begin,
                         .scores = scores,
                         .scratch = scratch});
}

}  // namespace sesame::models
