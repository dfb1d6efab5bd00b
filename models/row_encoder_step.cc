#include "models/row_encoder_step.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "kernels/pack.h"
#include "models/attention_kernel.h"
#include "models/encoder_memory.h"
#include "models/row_blocks.h"
#include "models/row_inputs.h"
#include "sesame/error.h"

namespace sesame::models {

using engine::Execution;
using engine::Linear;
using engine::Tensor;

namespace {

std::size_t layer_of(std::size_t phase) { return (phase - 1) / 2; }
bool is_attention(std::size_t phase) { return phase % 2 == 0; }

InputSizes sizes_of(const RowEncoder& encoder, std::span<const Tensor> inputs) {
  InputSizes sizes;
  for (std::size_t i = 0; i < encoder.inputs.size(); ++i) join_sizes(encoder.inputs[i].is_table, inputs[i], sizes);
  return sizes;
}

// A block's pointers to its rows of each buffer.
std::size_t pointer_bytes(const RowEncoder& encoder) {
  return kernels::round_up(encoder.buffers.size() * sizeof(float*), 64);
}

}  // namespace

RowEncoderStep::RowEncoderStep(RowEncoder encoder) : encoder_(std::move(encoder)) {
  assert(encoder_.programs.size() == encoder_.attentions.size() + 1);
  for (const RowBuffer& buffer : encoder_.buffers) strides_.push_back(static_cast<std::ptrdiff_t>(buffer.width));
}

void RowEncoderStep::infer(engine::Inference& io) const {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < encoder_.inputs.size(); ++i) inputs.push_back(io.input(i));
  const InputSizes sizes = sizes_of(encoder_, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_row_input(encoder_.inputs[i].is_table, encoder_.inputs[i].width, inputs[i], sizes);
  }
  if (encoder_.first_row_only && sizes.length == 0) throw Error("expected at least one position, found none");
  if (encoder_.mask.kind != MaskKind::none) check_key_mask(encoder_.mask.kind, io.input(inputs.size()), sizes);
  for (std::size_t i = 0; i < encoder_.outputs.size(); ++i) {
    engine::Shape shape = {static_cast<std::int64_t>(sizes.batch), static_cast<std::int64_t>(sizes.length),
                           static_cast<std::int64_t>(encoder_.outputs[i])};
    if (encoder_.first_row_only) shape.erase(shape.begin() + 1);
    io.output(i, engine::DType::f32, std::move(shape));
  }
}

std::size_t RowEncoderStep::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const InputSizes sizes = sizes_of(encoder_, inputs);
  return RaggedBatch::bytes(sizes.batch, sizes.length) +
         sizes.batch * sizes.length * encoder_.shared_floats * sizeof(float);
}

std::size_t RowEncoderStep::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  std::size_t bytes =
      pointer_bytes(encoder_) + kMaxBlock * (encoder_.block_floats + 1) * sizeof(float) + kMaxBlock * encoder_.made;
  const std::size_t length = sizes_of(encoder_, inputs).length;
  for (const RowAttention& a : encoder_.attentions) bytes = std::max(bytes, attention_scratch(length, a.head_dim));
  return bytes;
}

std::size_t RowEncoderStep::program_rows(const Execution& e, std::size_t program) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  return is_pruned(program) ? ragged.batch() : ragged.rows();
}

// All rows of a shared buffer.
float* RowEncoderStep::shared_rows(const Execution& e, std::size_t buffer) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  std::byte* rows = e.scratch + RaggedBatch::bytes(ragged.batch(), ragged.length());
  return reinterpret_cast<float*>(rows) + encoder_.buffers[buffer].offset * ragged.batch() * ragged.length();
}

std::size_t RowEncoderStep::items(const Execution& e, std::size_t phase) const {
  if (phase == 0) return 1;
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  if (ragged.rows() == 0) return 0;
  const int threads = e.options->threads;
  const std::size_t layer = layer_of(phase);
  if (!is_attention(phase)) return block_count(program_rows(e, layer), threads);
  return attention_items(ragged, encoder_.attentions[layer].heads, is_pruned(layer + 1), threads);
}

std::string RowEncoderStep::phase_name(std::size_t phase) const {
  if (phase == 0) return "rows";
  return (is_attention(phase) ? "attention " : "rows before attention ") + std::to_string(layer_of(phase));
}

void RowEncoderStep::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  std::byte* scratch = e.worker_scratch[static_cast<std::size_t>(worker)];
  if (phase == 0) return lay_out(e);
  if (is_attention(phase)) return attend(e, layer_of(phase), item, scratch);
  run_program(e, layer_of(phase), item, scratch);
}

void RowEncoderStep::lay_out(const Execution& e) const {
  static const Tensor no_mask;
  const InputSizes sizes = sizes_of(encoder_, e.inputs);
  const Tensor& mask = encoder_.mask.kind == MaskKind::none ? no_mask : e.inputs[encoder_.inputs.size()];
  const Queries queries = encoder_.first_row_only       ? Queries::first
                          : e.options->padded_positions ? Queries::all
                                                        : Queries::keys;
  const RaggedBatch& ragged = RaggedBatch::lay_out(e.scratch, sizes.batch, sizes.length, encoder_.mask, mask, queries);
  if (ragged.rows() == sizes.batch * sizes.length || encoder_.first_row_only) return;
  for (const Tensor& output : e.outputs) std::memset(output.raw(), 0, output.bytes());
}

void RowEncoderStep::run_program(const Execution& e, std::size_t program, std::size_t item, std::byte* scratch) const {
  const bool pruned = is_pruned(program);
  const std::size_t rows = program_rows(e, program);
  const std::size_t size = rows_per_block(rows, e.options->threads);
  const std::size_t begin = item * size;
  const std::span<float*> buffers(reinterpret_cast<float**>(scratch), encoder_.buffers.size());
  auto* floats = reinterpret_cast<float*>(scratch + pointer_bytes(encoder_));
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    const RowBuffer& buffer = encoder_.buffers[b];
    buffers[b] =
        buffer.shared ? shared_rows(e, b) + (pruned ? 0 : begin * buffer.width) : floats + buffer.offset * kMaxBlock;
  }
  RowBlock block{.e = e,
                 .ragged = RaggedBatch::at(e.scratch),
                 .begin = begin,
                 .count = std::min(size, rows - begin),
                 .first_rows = pruned,
                 .buffers = buffers,
                 .strides = strides_};
  block.scales = floats + encoder_.block_floats * kMaxBlock;
  block.made = reinterpret_cast<std::byte*>(block.scales + kMaxBlock);
  models::run(encoder_.programs[program], block);
}

void RowEncoderStep::attend(const Execution& e, std::size_t index, std::size_t item, std::byte* scratch) const {
  const RowAttention& attention = encoder_.attentions[index];
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const AttentionItem found = attention_item(ragged, attention.heads, is_pruned(index + 1), e.options->threads, item);
  const Sequence& s = ragged.sequence(found.sequence);
  const auto rows = [&](const RowView& view, std::size_t row) {
    return shared_rows(e, view.buffer) + row * encoder_.buffers[view.buffer].width + view.column +
           found.head * attention.head_dim;
  };
  kernels::AttentionF32 a{};
  a.q = rows(attention.query, found.first);
  a.ldq = strides_[attention.query.buffer];
  a.k = rows(attention.key, s.begin);
  a.ldk = strides_[attention.key.buffer];
  a.v = rows(attention.value, s.begin);
  a.ldv = strides_[attention.value.buffer];
  a.queries = found.queries;
  a.keys = s.keys;
  a.head_dim = attention.head_dim;
  a.scale = s.flat ? 0 : attention.score_scale;
  a.bias = s.bias;
  a.ld_bias = 0;
  a.out = rows(attention.context, found.first);
  a.ldo = strides_[attention.context.buffer];
  a.scratch = scratch;
  if (encoder_.mask.masked_queries == MaskedQueries::zero_where_nan && s.empty) {
    for (std::size_t m = 0; m < a.queries; ++m) {
      std::fill_n(a.out + static_cast<std::ptrdiff_t>(m) * a.ldo, a.head_dim, 0.0f);
    }
    return;
  }
  add_query_biases(s, ragged.position(found.first), a);
  models::attend(*e.kernels, attention.precision, {.floats = a});
  const bool clears = s.query_biases != nullptr && encoder_.mask.masked_queries == MaskedQueries::zero_where_nan;
  if (clears) clear_masked_queries(a);
}

}  // namespace sesame::models
