// EncoderPass's layers of few rows on several threads. The rows of a block would leave threads idle, so every GEMM is a
// phase whose items are columns, and what makes its rows is another whose items are rows.
#include <algorithm>
#include <numeric>

#include "kernels/pack.h"
#include "models/encoder_pass.h"
#include "models/row_maker.h"

namespace sesame::models {

using engine::Linear;
using engine::Rows;

namespace {

// Rows a thread below which blocks of rows cost more than columns: weights come through every thread's cache, and
// kernels are at their best with more rows.
constexpr std::size_t kRowsEach = 32;
// Multiply-adds of attn_out, the smallest GEMM, below which a phase of its own costs more than it shares out. Reading
// its weights takes as long as multiplying them by kRowsToRead rows.
constexpr std::size_t kLeastWork = 4'500'000;
constexpr std::size_t kRowsToRead = 8;
constexpr std::size_t kItemsEach = 2;  // a thread whose core is busy leaves one of them to others
constexpr std::size_t kColumnUnit = 3 * kernels::kPanel;

// `total` in `items` runs of whole units, as even as they can be.
Block split(std::size_t total, std::size_t unit, std::size_t item, std::size_t items) {
  const std::size_t units = (total + unit - 1) / unit;
  const std::size_t begin = std::min(units * item / items * unit, total);
  return {begin, std::min(units * (item + 1) / items * unit, total) - begin};
}

Rows from_row(Rows rows, std::size_t m) {
  const auto offset = static_cast<std::ptrdiff_t>(m);
  if (rows.f32 != nullptr) rows.f32 += offset * rows.ld;
  if (rows.bf16 != nullptr) rows.bf16 += offset * rows.ld_bf16;
  if (rows.u8 != nullptr) rows.u8 += offset * rows.ld_u8;
  if (rows.scale != nullptr) rows.scale += offset;
  return rows;
}

// The fewest heads that begin and end with a panel of columns.
std::size_t heads_of_unit(const EncoderLayer& layer) {
  return kernels::kPanel / std::gcd(kernels::kPanel, layer.head_dim);
}

}  // namespace

bool EncoderPass::splits_columns(std::size_t rows) const {
  const auto threads = static_cast<std::size_t>(e_.options->threads);
  const bool is_worth_it = std::max(rows, kRowsToRead) * encoder_.hidden * encoder_.hidden >= kLeastWork;
  return threads > 1 && rows > 0 && is_worth_it && rows <= kMaxBlock && rows < kRowsEach * threads;
}

std::size_t EncoderPass::few_items(std::size_t rows) const {
  return std::min(rows, kItemsEach * static_cast<std::size_t>(e_.options->threads));
}

Block EncoderPass::few_block(std::size_t rows, std::size_t item) const { return split(rows, 1, item, few_items(rows)); }

std::size_t EncoderPass::column_items(std::size_t layer_index, LayerPhase phase) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const auto most = kItemsEach * static_cast<std::size_t>(e_.options->threads);
  const auto columns = [&](const Linear& linear) {
    return std::min(most, (linear.out_features() + kColumnUnit - 1) / kColumnUnit);
  };
  switch (phase) {
    case LayerPhase::attn_out:
      return columns(layer.attn_out);
    case LayerPhase::ffn_in:
      return columns(layer.ffn_in);
    case LayerPhase::ffn_out:
      return columns(layer.ffn_out);
    case LayerPhase::attn_norm:
    case LayerPhase::ffn_norm:
      return few_items(layer_rows(layer_index));
    case LayerPhase::activate:
      return layer.ffn_out.row_bytes() == 0 ? 0 : few_items(layer_rows(layer_index));
    case LayerPhase::project:
      return is_last(layer_index) ? 0 : project_items(layer_index + 1);
    case LayerPhase::attend:
    case LayerPhase::feed_forward:
      break;
  }
  return 0;
}

void EncoderPass::run_columns(std::size_t layer, LayerPhase phase, std::size_t item, std::byte* scratch) const {
  switch (phase) {
    case LayerPhase::attn_out:
      return attend_out_columns(layer, item, scratch);
    case LayerPhase::attn_norm:
      return normalize_attention(layer, item);
    case LayerPhase::ffn_in:
      return ffn_in_columns(layer, item);
    case LayerPhase::activate:
      return activate_rows(layer, item, scratch);
    case LayerPhase::ffn_out:
      return ffn_out_columns(layer, item);
    case LayerPhase::ffn_norm:
      return normalize_ffn(layer, item);
    case LayerPhase::project:
      return project_columns(layer + 1, item, scratch);
    case LayerPhase::attend:
    case LayerPhase::feed_forward:
      break;
  }
}

void EncoderPass::attend_out_columns(std::size_t layer_index, std::size_t item, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const BlockRows own = BlockRows::at(scratch, widths_);
  const std::size_t hidden = encoder_.hidden, rows = layer_rows(layer_index);
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  const RowMaker from(*e_.kernels, layer.attn_out, own);
  for (std::size_t m = 0; m < rows; ++m) from.convert(m, rows_.context + m * hidden);  // cheaper than a phase for it

  const auto [begin, count] = split(hidden, kColumnUnit, item, column_items(layer_index, LayerPhase::attn_out));
  float* state = few_state(layer_index);
  if (is_pruned(layer_index)) gather_first_rows({0, rows}, {begin, count}, state);
  kernels::Epilogue add_residual;
  add_residual.residual = state + begin;
  add_residual.ld_residual = ld;
  layer.attn_out.run(*e_.kernels, from.rows(rows_.context, ld), rows, begin, begin + count, add_residual, state + begin,
                     ld);
}

void EncoderPass::normalize_attention(std::size_t layer_index, std::size_t item) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const BlockRows few = few_rows();
  const std::size_t hidden = encoder_.hidden;
  float* state = few_state(layer_index);
  const auto [begin, count] = few_block(layer_rows(layer_index), item);
  const RowMaker to(*e_.kernels, layer.ffn_in, few);
  normalize_rows(
      *e_.kernels, layer.attn_norm, state, hidden, begin, begin + count,
      [&](std::size_t m) { return state + m * hidden; }, [&](std::size_t m, const float* row) { to.convert(m, row); });
}

void EncoderPass::ffn_in_columns(std::size_t layer_index, std::size_t item) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const BlockRows few = few_rows();
  const std::size_t ffn = layer.ffn_in.out_features();
  const Rows rows = RowMaker(*e_.kernels, layer.ffn_in, few)
                        .rows(few_state(layer_index), static_cast<std::ptrdiff_t>(encoder_.hidden));
  kernels::Epilogue epilogue;
  if (layer.ffn_out.row_bytes() == 0) epilogue.activation = layer.activation;
  const auto [begin, count] = split(ffn, kColumnUnit, item, column_items(layer_index, LayerPhase::ffn_in));
  layer.ffn_in.run(*e_.kernels, rows, layer_rows(layer_index), begin, begin + count, epilogue, few.ffn + begin,
                   static_cast<std::ptrdiff_t>(ffn));
}

void EncoderPass::activate_rows(std::size_t layer_index, std::size_t item, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const BlockRows few = few_rows();
  const std::size_t ffn = layer.ffn_in.out_features();
  float* activated = BlockRows::at(scratch, widths_).activated;
  const auto [begin, count] = few_block(layer_rows(layer_index), item);
  const RowMaker maker(*e_.kernels, layer.ffn_out, few);
  for (std::size_t m = begin; m < begin + count; ++m) {
    maker.convert(m, layer.activation, few.ffn + m * ffn, activated);
  }
}

void EncoderPass::ffn_out_columns(std::size_t layer_index, std::size_t item) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const BlockRows few = few_rows();
  const auto ld = static_cast<std::ptrdiff_t>(encoder_.hidden);
  const Rows rows =
      RowMaker(*e_.kernels, layer.ffn_out, few).rows(few.ffn, static_cast<std::ptrdiff_t>(layer.ffn_in.out_features()));
  const auto [begin, count] = split(encoder_.hidden, kColumnUnit, item, column_items(layer_index, LayerPhase::ffn_out));
  kernels::Epilogue add_residual;
  float* state = few_state(layer_index) + begin;
  add_residual.residual = state;
  add_residual.ld_residual = ld;
  layer.ffn_out.run(*e_.kernels, rows, layer_rows(layer_index), begin, begin + count, add_residual, state, ld);
}

void EncoderPass::normalize_ffn(std::size_t layer_index, std::size_t item) const {
  const BlockRows few = few_rows();
  const std::size_t hidden = encoder_.hidden;
  const bool last = is_last(layer_index);
  const auto [begin, count] = few_block(layer_rows(layer_index), item);
  const RowMaker next(
      *e_.kernels, last ? encoder_.layers[0].query_key_value : encoder_.layers[layer_index + 1].query_key_value, few);
  normalize_rows(
      *e_.kernels, encoder_.layers[layer_index].ffn_norm, few_state(layer_index), hidden, begin, begin + count,
      [&](std::size_t m) { return left_row(layer_index, m); },
      [&](std::size_t m, const float* row) {
        if (!last) next.convert(m, row);
      });
}

std::size_t EncoderPass::project_items(std::size_t layer_index) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const std::size_t unit = heads_of_unit(layer);
  return std::min(kItemsEach * static_cast<std::size_t>(e_.options->threads), (layer.heads + unit - 1) / unit);
}

// Some heads' queries, keys and values; in a pruned layer queries of each sequence's first row.
void EncoderPass::project_columns(std::size_t layer_index, std::size_t item, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const Linear& qkv = layer.query_key_value;
  const std::size_t rows = ragged().rows();
  const auto ld_hidden = static_cast<std::ptrdiff_t>(encoder_.hidden);
  const Rows from = RowMaker(*e_.kernels, qkv, few_rows()).rows(rows_.hidden, ld_hidden);
  const auto [head, heads] = split(layer.heads, heads_of_unit(layer), item, project_items(layer_index));
  const std::size_t first = head * layer.head_dim, columns = heads * layer.head_dim;
  const bool is_bytes = keeps_bytes(layer, sizes_.length);
  float* floats = BlockRows::at(scratch, widths_).ffn;
  for (std::size_t part = is_pruned(layer_index) ? 1 : 0; part < 3; ++part) {
    const std::size_t begin = qkv.part_offset(part) + first;
    const auto ld = static_cast<std::ptrdiff_t>(is_bytes ? columns : widths_.qkv);
    qkv.run(*e_.kernels, from, rows, begin, begin + columns, {}, is_bytes ? floats : rows_.qkv + begin, ld);
    if (is_bytes) quantize_heads(layer, Part{static_cast<int>(part)}, {head, heads}, floats, ld, {0, rows});
  }
  if (!is_pruned(layer_index)) return;
  float* query = rows_.first_query + first;
  for (std::size_t b = 0; b < ragged().batch(); ++b) {
    qkv.run(*e_.kernels, from_row(from, ragged().sequence(b).first_row), 1, first, first + columns, {},
            query + b * encoder_.hidden, ld_hidden);
  }
  if (is_bytes) quantize_heads(layer, Part::query, {head, heads}, query, ld_hidden, {0, ragged().batch()});
}

}  // namespace sesame::models
