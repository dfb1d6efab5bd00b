#include "models/encoder_pass.h"

#include <algorithm>
#include <cstring>

#include "kernels/pack.h"
#include "models/head_attention.h"
#include "models/row_blocks.h"
#include "models/row_maker.h"

namespace sesame::models {

using engine::Linear;
using engine::Rows;
using engine::Tensor;

EncoderPass::EncoderPass(const Encoder& encoder, const EncoderWidths& widths, const engine::Execution& e)
    : encoder_(encoder),
      widths_(widths),
      e_(e),
      sizes_(input_sizes(encoder, e.inputs)),
      rows_(SharedRows::at(e.scratch, widths, sizes_)) {}

void EncoderPass::lay_out() const {
  static const Tensor no_mask;
  const Tensor& mask = encoder_.mask.kind == MaskKind::none ? no_mask : e_.inputs[encoder_.embeddings.tables.size()];
  const Queries queries = encoder_.first_row_only        ? Queries::first
                          : e_.options->padded_positions ? Queries::all
                                                         : Queries::keys;
  const RaggedBatch& ragged =
      RaggedBatch::lay_out(rows_.ragged, sizes_.batch, sizes_.length, encoder_.mask, mask, queries);
  if (ragged.rows() < sizes_.batch * sizes_.length && !encoder_.first_row_only) {
    std::memset(e_.outputs[0].raw(), 0, e_.outputs[0].bytes());
  }
}

std::size_t EncoderPass::embed_items() const {
  const std::size_t rows = ragged().rows();
  return splits_columns(rows) ? few_items(rows) : block_count(rows, e_.options->threads);
}

std::size_t EncoderPass::items(std::size_t layer, LayerPhase phase) const {
  if (ragged().rows() == 0) return 0;
  if (phase == LayerPhase::attend) {
    return attention_items(ragged(), encoder_.layers[layer].heads, is_pruned(layer), e_.options->threads);
  }
  if (splits_columns(layer_rows(layer))) return column_items(layer, phase);
  return phase == LayerPhase::feed_forward ? block_count(layer_rows(layer), e_.options->threads) : 0;
}

void EncoderPass::run(std::size_t layer, LayerPhase phase, std::size_t item, std::byte* scratch) const {
  if (phase == LayerPhase::attend) return attend(layer, item, scratch);
  if (phase == LayerPhase::feed_forward) return feed_forward(layer, item, scratch);
  run_columns(layer, phase, item, scratch);
}

Block EncoderPass::block(std::size_t rows, std::size_t item) const {
  const std::size_t size = rows_per_block(rows, e_.options->threads);
  return {item * size, std::min(size, rows - item * size)};
}

void EncoderPass::embed(std::size_t item, std::byte* scratch) const {
  const std::size_t rows = ragged().rows(), hidden = encoder_.hidden;
  const bool is_few = splits_columns(rows);
  const Block block = is_few ? few_block(rows, item) : this->block(rows, item);
  const BlockRows own = BlockRows::at(scratch, widths_), block_rows = is_few ? few_rows() : own;
  const std::size_t first = is_few ? block.begin : 0;  // of the converted rows
  const RowMaker maker(*e_.kernels, encoder_.layers[0].query_key_value, block_rows);
  float* out = rows_.hidden + block.begin * hidden;
  for (std::size_t m = 0; m < block.count; ++m) {
    const std::size_t row = block.begin + m;
    embed_row(encoder_, e_, ragged().sequence_of(row), ragged().position(row), own.activated, out + m * hidden);
    maker.convert(first + m, out + m * hidden);
  }
  if (is_few) return;
  project(0, block, maker.rows(out, static_cast<std::ptrdiff_t>(hidden)), block_rows);
}

void EncoderPass::project(std::size_t layer_index, const Block& block, const Rows& rows,
                          const BlockRows& scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const Linear& qkv = layer.query_key_value;
  const std::size_t first_part = is_pruned(layer_index) ? 1 : 0;  // without the queries
  if (keeps_bytes(layer, sizes_.length)) {
    const auto ld = static_cast<std::ptrdiff_t>(encoder_.hidden);
    for (std::size_t part = first_part; part < 3; ++part) {  // floats of one part stay in L2
      const std::size_t begin = qkv.part_offset(part);
      qkv.run(*e_.kernels, rows, block.count, begin, begin + encoder_.hidden, {}, scratch.ffn, ld);
      quantize_heads(layer, Part{static_cast<int>(part)}, {0, layer.heads}, scratch.ffn, ld, block);
    }
  } else {
    const std::size_t begin = qkv.part_offset(first_part);
    qkv.run(*e_.kernels, rows, block.count, begin, qkv.out_features(), {},
            rows_.qkv + block.begin * widths_.qkv + begin, static_cast<std::ptrdiff_t>(widths_.qkv));
  }
  if (is_pruned(layer_index)) project_first_rows(layer_index, block, rows, scratch);
}

// One part of a block's projection, of some heads, whose floats are at x.
void EncoderPass::quantize_heads(const EncoderLayer& layer, Part part, const Block& heads, const float* x,
                                 std::ptrdiff_t ld, const Block& block) const {
  const auto ld_bytes = static_cast<std::ptrdiff_t>(kernels::round_up(layer.head_dim, 4));
  // All heads of a few rows at a time: the hardware fetches rows from L2 that are read on and on.
  constexpr std::size_t kRows = 16;
  for (std::size_t m = 0; m < block.count; m += kRows, x += static_cast<std::ptrdiff_t>(kRows) * ld) {
    const std::size_t count = std::min(kRows, block.count - m);
    for (std::size_t i = 0; i < heads.count; ++i) {
      const std::size_t head = heads.begin + i;
      e_.kernels->quantize_rows_u8(x + i * layer.head_dim, ld, count, layer.head_dim,
                                   rows_.heads.bytes_at(layer, part, head, block.begin + m), ld_bytes,
                                   rows_.heads.scale_at(layer, part, head, block.begin + m));
    }
  }
}

void EncoderPass::project_first_rows(std::size_t layer, const Block& block, const Rows& rows,
                                     const BlockRows& scratch) const {
  const Linear& qkv = encoder_.layers[layer].query_key_value;
  const std::size_t hidden = encoder_.hidden;
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  // The first rows of the block's sequences, moved together in place: each moves down or stays.
  std::size_t count = 0;
  std::size_t first_sequence = ragged().batch();
  for (std::size_t b = 0; b < ragged().batch(); ++b) {
    const std::size_t row = ragged().sequence(b).first_row;
    if (row < block.begin || row >= block.begin + block.count) continue;
    if (count == 0) first_sequence = b;
    const std::size_t m = row - block.begin;
    if (const std::size_t stride = qkv.row_bytes(); stride != 0) {
      std::memmove(scratch.made + count * stride, scratch.made + m * stride, stride);
      if (rows.scale != nullptr) scratch.scale[count] = scratch.scale[m];
    } else {
      std::copy_n(rows.f32 + static_cast<std::ptrdiff_t>(m) * rows.ld, hidden, scratch.ffn + count * hidden);
    }
    ++count;
  }
  if (count == 0) return;
  Rows firsts = rows;
  firsts.f32 = scratch.ffn;
  firsts.ld = ld;
  float* query = rows_.first_query + first_sequence * hidden;
  qkv.run(*e_.kernels, firsts, count, 0, hidden, {}, query, ld);
  if (const EncoderLayer& l = encoder_.layers[layer]; keeps_bytes(l, sizes_.length)) {
    quantize_heads(l, Part::query, {0, l.heads}, query, ld, {first_sequence, count});
  }
}

std::size_t EncoderPass::attend_scratch(const EncoderLayer& layer, std::size_t length) {
  return head_attention_scratch(layer.relative, length, layer.head_dim);
}

HeadOperands EncoderPass::head_operands(std::size_t layer_index, const AttentionItem& item) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const bool pruned = is_pruned(layer_index);
  const Sequence& s = ragged().sequence(item.sequence);
  const std::size_t row = pruned ? item.sequence : item.first, column = item.head * layer.head_dim;
  const auto ld = static_cast<std::ptrdiff_t>(widths_.qkv), ld_hidden = static_cast<std::ptrdiff_t>(encoder_.hidden);
  HeadOperands head;
  kernels::AttentionF32& a = head.floats;
  if (keeps_bytes(layer, sizes_.length)) {
    head.q = rows_.heads.tokens(layer, Part::query, item.head, row);
    head.k = rows_.heads.tokens(layer, Part::key, item.head, s.begin);
    head.v = rows_.heads.tokens(layer, Part::value, item.head, s.begin);
  } else {
    const float* keys = rows_.qkv + s.begin * widths_.qkv + column;
    a.q = pruned ? rows_.first_query + row * encoder_.hidden + column : rows_.qkv + row * widths_.qkv + column;
    a.ldq = pruned ? ld_hidden : ld;
    a.k = keys + layer.query_key_value.part_offset(1);
    a.ldk = ld;
    a.v = keys + layer.query_key_value.part_offset(2);
    a.ldv = ld;
  }
  a.queries = item.queries;
  a.head_dim = layer.head_dim;
  a.out = rows_.context + row * encoder_.hidden + column;
  a.ldo = ld_hidden;
  return head;
}

void EncoderPass::attend(std::size_t layer_index, std::size_t item_index, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const AttentionItem item =
      attention_item(ragged(), layer.heads, is_pruned(layer_index), e_.options->threads, item_index);
  attend_head(*e_.kernels, {layer.attention, layer.score_scale, layer.relative, encoder_.mask}, ragged(),
              ragged().sequence(item.sequence), item.head, item.first, head_operands(layer_index, item), scratch);
}

float* EncoderPass::output_row(std::size_t row) const {
  float* out = e_.outputs[0].data<float>();
  if (encoder_.first_row_only) return out + row * encoder_.hidden;
  return out + (ragged().sequence_of(row) * ragged().length() + ragged().position(row)) * encoder_.hidden;
}

float* EncoderPass::left_row(std::size_t layer, std::size_t row) const {
  return is_last(layer) ? output_row(row) : rows_.hidden + row * encoder_.hidden;
}

// Columns of a pruned layer's input: of the first rows of sequences [rows.begin, rows.begin + rows.count).
void EncoderPass::gather_first_rows(const Block& rows, const Block& columns, float* to) const {
  const std::size_t hidden = encoder_.hidden;
  for (std::size_t m = 0; m < rows.count; ++m) {
    std::copy_n(rows_.hidden + ragged().sequence(rows.begin + m).first_row * hidden + columns.begin, columns.count,
                to + m * hidden + columns.begin);
  }
}

// The attention's output, added to the layer's input and normalised, for ffn_in; all of it at `state`.
Rows EncoderPass::attend_out(std::size_t layer_index, const Block& block, float* state,
                             const BlockRows& scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const std::size_t hidden = encoder_.hidden;
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  const float* context = rows_.context + block.begin * hidden;
  const RowMaker from(*e_.kernels, layer.attn_out, scratch);
  for (std::size_t m = 0; m < block.count; ++m) from.convert(m, context + m * hidden);
  kernels::Epilogue add_residual;
  add_residual.residual = state;
  add_residual.ld_residual = ld;
  layer.attn_out.run(*e_.kernels, from.rows(context, ld), block.count, add_residual, state, ld);

  const RowMaker to(*e_.kernels, layer.ffn_in, scratch);
  normalize_rows(
      *e_.kernels, layer.attn_norm, state, hidden, 0, block.count, [&](std::size_t m) { return state + m * hidden; },
      [&](std::size_t m, const float* row) { to.convert(m, row); });
  return to.rows(state, ld);
}

// act(ffn_in) for ffn_out. Where rows are converted, the activation waits until then: it reads a row of the product
// from L2, and what it makes of it never leaves L1.
Rows EncoderPass::activate(const EncoderLayer& layer, const Rows& rows, std::size_t count,
                           const BlockRows& scratch) const {
  const std::size_t ffn = layer.ffn_in.out_features();
  const auto ld = static_cast<std::ptrdiff_t>(ffn);
  const RowMaker maker(*e_.kernels, layer.ffn_out, scratch);
  kernels::Epilogue epilogue;
  if (maker.keeps_rows()) epilogue.activation = layer.activation;
  layer.ffn_in.run(*e_.kernels, rows, count, epilogue, scratch.ffn, ld);
  if (maker.keeps_rows()) return maker.rows(scratch.ffn, ld);
  for (std::size_t m = 0; m < count; ++m) {
    maker.convert(m, layer.activation, scratch.ffn + m * ffn, scratch.activated);
  }
  return maker.rows(scratch.ffn, ld);
}

void EncoderPass::feed_forward(std::size_t layer_index, std::size_t item, std::byte* worker_scratch) const {
  const Block block = this->block(layer_rows(layer_index), item);
  const BlockRows scratch = BlockRows::at(worker_scratch, widths_);
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const std::size_t hidden = encoder_.hidden;
  const auto ld = static_cast<std::ptrdiff_t>(hidden);

  float* state = is_pruned(layer_index) ? scratch.first_rows : rows_.hidden + block.begin * hidden;
  if (is_pruned(layer_index)) gather_first_rows(block, {0, hidden}, state);
  const Rows inner = activate(layer, attend_out(layer_index, block, state, scratch), block.count, scratch);
  kernels::Epilogue add_residual;
  add_residual.residual = state;
  add_residual.ld_residual = ld;
  layer.ffn_out.run(*e_.kernels, inner, block.count, add_residual, state, ld);

  const bool last = is_last(layer_index);
  const RowMaker next(*e_.kernels, last ? layer.ffn_in : encoder_.layers[layer_index + 1].query_key_value, scratch);
  normalize_rows(
      *e_.kernels, layer.ffn_norm, state, hidden, 0, block.count,
      [&](std::size_t m) { return left_row(layer_index, block.begin + m); },
      [&](std::size_t m, const float* row) {
        if (!last) next.convert(m, row);
      });
  if (!last) project(layer_index + 1, block, next.rows(rows_.hidden + block.begin * hidden, ld), scratch);
}

}  // namespace sesame::models
