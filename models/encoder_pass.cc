#include "models/encoder_pass.h"

#include <algorithm>
#include <cstring>

#include "kernels/pack.h"

namespace sesame::models {

using engine::Linear;
using engine::Rows;
using engine::Tensor;

namespace {

// Rows in a block at least, when there are threads to feed: below, a GEMM reads more weights than it does arithmetic.
constexpr std::size_t kMinBlock = 16;
// Queries that one attention item takes at most, when there are threads to feed.
constexpr std::size_t kQueriesPerItem = 128;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// The int8 kernel's sums are exact up to kMaxK keys; a longer sequence runs in fp32, whatever the batch.
bool attends_in_int8(const EncoderLayer& layer, std::size_t keys) {
  return layer.attention == AttentionPrecision::int8 && keys <= kernels::kMaxK && layer.head_dim <= kernels::kMaxK;
}

// Rows a block: all of them on one thread, as long as they fit; otherwise two blocks a thread where rows suffice.
std::size_t block_size(std::size_t rows, int threads) {
  const std::size_t share = threads == 1 ? rows : ceil_div(rows, 2 * static_cast<std::size_t>(threads));
  const std::size_t blocks = std::max<std::size_t>(ceil_div(rows, std::clamp(share, kMinBlock, kMaxBlock)), 1);
  return std::max<std::size_t>(ceil_div(rows, blocks), 1);
}

std::size_t queries_per_item(int threads) { return threads == 1 ? static_cast<std::size_t>(-1) : kQueriesPerItem; }

}  // namespace

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
  return ceil_div(ragged().rows(), block_size(ragged().rows(), e_.options->threads));
}

std::size_t EncoderPass::attend_items(std::size_t layer) const {
  std::size_t items = 0;
  for (const Sequence& s : ragged().sequences())
    items += encoder_.layers[layer].heads * query_blocks(s, is_pruned(layer));
  return ragged().rows() ? items : 0;
}

std::size_t EncoderPass::feed_forward_items(std::size_t layer) const {
  if (ragged().rows() == 0) return 0;
  const std::size_t rows = layer_rows(layer);
  return ceil_div(rows, block_size(rows, e_.options->threads));
}

Block EncoderPass::block(std::size_t rows, std::size_t item) const {
  const std::size_t size = block_size(rows, e_.options->threads);
  return {item * size, std::min(size, rows - item * size)};
}

std::size_t EncoderPass::query_blocks(const Sequence& s, bool pruned) const {
  const int threads = e_.options->threads;
  return pruned || threads == 1 ? 1 : ceil_div(s.end - s.begin, queries_per_item(threads));
}

Rows EncoderPass::rows_for(const Linear& linear, const float* x, std::ptrdiff_t ld, std::size_t count,
                           const BlockRows& scratch) const {
  return linear.make_rows(*e_.kernels, x, ld, count, scratch.made, scratch.scale);
}

void EncoderPass::embed(std::size_t item, std::byte* scratch) const {
  const Block block = this->block(ragged().rows(), item);
  const BlockRows block_rows = BlockRows::at(scratch, widths_);
  const std::size_t hidden = encoder_.hidden;
  for (std::size_t r = block.begin; r < block.begin + block.count; ++r) {
    embed_row(encoder_, e_, ragged().sequence_of(r), ragged().position(r), rows_.hidden + r * hidden);
  }
  const Rows rows = rows_for(encoder_.layers[0].query_key_value, rows_.hidden + block.begin * hidden,
                             static_cast<std::ptrdiff_t>(hidden), block.count, block_rows);
  project(0, block, rows, block_rows);
}

void EncoderPass::project(std::size_t layer, const Block& block, const Rows& rows, const BlockRows& scratch) const {
  const Linear& qkv = encoder_.layers[layer].query_key_value;
  const std::size_t first_column = is_pruned(layer) ? qkv.part_offset(1) : 0;  // without the queries
  qkv.run(*e_.kernels, rows, block.count, first_column, qkv.out_features(), {},
          rows_.qkv + block.begin * widths_.qkv + first_column, static_cast<std::ptrdiff_t>(widths_.qkv));
  if (is_pruned(layer)) project_first_rows(layer, block, rows, scratch);
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
    if (rows.u8 != nullptr) {
      const auto stride = static_cast<std::size_t>(rows.ld_u8);
      std::memmove(scratch.made + count * stride, rows.u8 + m * stride, stride);
      scratch.scale[count] = rows.scale[m];
    } else {
      std::copy_n(rows.f32 + static_cast<std::ptrdiff_t>(m) * rows.ld, hidden, scratch.ffn + count * hidden);
    }
    ++count;
  }
  if (count == 0) return;
  Rows firsts = rows;
  firsts.f32 = scratch.ffn;
  firsts.ld = ld;
  qkv.run(*e_.kernels, firsts, count, 0, hidden, {}, rows_.first_query + first_sequence * hidden, ld);
}

void EncoderPass::attend(std::size_t layer_index, std::size_t item, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const bool pruned = is_pruned(layer_index);

  std::size_t index = 0;
  while (item >= layer.heads * query_blocks(ragged().sequence(index), pruned)) {
    item -= layer.heads * query_blocks(ragged().sequence(index), pruned);
    ++index;
  }
  const Sequence& s = ragged().sequence(index);
  const std::size_t column = item % layer.heads * layer.head_dim;
  const std::size_t most_queries = queries_per_item(e_.options->threads);
  const std::size_t query = item / layer.heads * (pruned ? 1 : most_queries);
  const auto ld = static_cast<std::ptrdiff_t>(widths_.qkv);
  const auto ld_hidden = static_cast<std::ptrdiff_t>(encoder_.hidden);
  const float* keys = rows_.qkv + s.begin * widths_.qkv + column;

  kernels::AttentionF32 a{};
  a.q = pruned ? rows_.first_query + index * encoder_.hidden + column
               : rows_.qkv + (s.begin + query) * widths_.qkv + column;
  a.ldq = pruned ? ld_hidden : ld;
  a.k = keys + layer.query_key_value.part_offset(1);
  a.ldk = ld;
  a.v = keys + layer.query_key_value.part_offset(2);
  a.ldv = ld;
  a.queries = pruned ? 1 : std::min(s.end - s.begin - query, most_queries);
  a.keys = s.keys;
  a.head_dim = layer.head_dim;
  a.scale = s.flat ? 0 : layer.score_scale;
  a.bias = s.bias;
  a.ld_bias = 0;
  a.out = rows_.context + (pruned ? index : s.begin + query) * encoder_.hidden + column;
  a.ldo = ld_hidden;
  a.scratch = scratch;
  (attends_in_int8(layer, a.keys) ? e_.kernels->attention_u8s8 : e_.kernels->attention_f32)(a);
}

float* EncoderPass::output_row(std::size_t row) const {
  float* out = e_.outputs[0].data<float>();
  if (encoder_.first_row_only) return out + row * encoder_.hidden;
  return out + (ragged().sequence_of(row) * ragged().length() + ragged().position(row)) * encoder_.hidden;
}

// What the attention's output is added to: the layer's input.
const float* EncoderPass::residual(std::size_t layer, const Block& block, const BlockRows& scratch) const {
  const std::size_t hidden = encoder_.hidden;
  if (!is_pruned(layer)) return rows_.hidden + block.begin * hidden;
  for (std::size_t m = 0; m < block.count; ++m) {
    std::copy_n(rows_.hidden + ragged().sequence(block.begin + m).first_row * hidden, hidden,
                scratch.normed + m * hidden);
  }
  return scratch.normed;
}

void EncoderPass::feed_forward(std::size_t layer_index, std::size_t item, std::byte* worker_scratch) const {
  const Block block = this->block(layer_rows(layer_index), item);
  const BlockRows scratch = BlockRows::at(worker_scratch, widths_);
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const kernels::Table& kernels = *e_.kernels;
  const std::size_t hidden = encoder_.hidden;
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  const auto ld_ffn = static_cast<std::ptrdiff_t>(layer.ffn_in.out_features());
  const bool last = layer_index + 1 == encoder_.layers.size();

  kernels::Epilogue add_residual;
  add_residual.residual = residual(layer_index, block, scratch);
  add_residual.ld_residual = ld;
  Rows rows = rows_for(layer.attn_out, rows_.context + block.begin * hidden, ld, block.count, scratch);
  layer.attn_out.run(kernels, rows, block.count, add_residual, scratch.sum, ld);
  for (std::size_t m = 0; m < block.count; ++m) {
    normalize(kernels, layer.attn_norm, scratch.sum + m * hidden, hidden, scratch.normed + m * hidden);
  }

  rows = rows_for(layer.ffn_in, scratch.normed, ld, block.count, scratch);
  kernels::Epilogue activate;
  activate.activation = layer.activation;
  layer.ffn_in.run(kernels, rows, block.count, activate, scratch.ffn, ld_ffn);

  rows = rows_for(layer.ffn_out, scratch.ffn, ld_ffn, block.count, scratch);
  add_residual.residual = scratch.normed;
  layer.ffn_out.run(kernels, rows, block.count, add_residual, scratch.sum, ld);
  for (std::size_t m = 0; m < block.count; ++m) {
    const std::size_t row = block.begin + m;
    normalize(kernels, layer.ffn_norm, scratch.sum + m * hidden, hidden,
              last ? output_row(row) : rows_.hidden + row * hidden);
  }
  if (last) return;
  rows = rows_for(encoder_.layers[layer_index + 1].query_key_value, rows_.hidden + block.begin * hidden, ld,
                  block.count, scratch);
  project(layer_index + 1, block, rows, scratch);
}

}  // namespace sesame::models
