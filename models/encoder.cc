#include "models/encoder.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "kernels/pack.h"
#include "sesame/error.h"

namespace sesame::models {

using engine::DType;
using engine::Execution;
using engine::Linear;
using engine::Rows;
using engine::Tensor;
using engine::to_string;

namespace {

// Rows in a block at most: a block's FFN activations (128 x 3072 floats) stay in L2, and its GEMMs read the weights
// once.
constexpr std::size_t kMaxBlock = 128;
// Rows in a block at least, when there are threads to feed: below, a GEMM reads more weights than it does arithmetic.
constexpr std::size_t kMinBlock = 16;
// Queries that one attention item takes at most, when there are threads to feed.
constexpr std::size_t kQueriesPerItem = 128;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

std::size_t floats(std::size_t count) { return kernels::round_up(count * sizeof(float), 64); }

std::int64_t id_at(const Tensor& ids, std::size_t index) {
  return ids.type() == DType::i64 ? ids.data<std::int64_t>()[index] : ids.data<std::int32_t>()[index];
}

// The int8 kernel's sums are exact up to kMaxK keys; a longer sequence runs in fp32, whatever the batch.
bool attends_in_int8(const EncoderLayer& layer, std::size_t keys) {
  return layer.attention == AttentionPrecision::int8 && keys <= kernels::kMaxK && layer.head_dim <= kernels::kMaxK;
}

void normalize(const kernels::Table& kernels, const LayerNorm& norm, const float* x, std::size_t n, float* y) {
  kernels.layernorm_row(x, norm.gamma.data<float>(), norm.beta.data<float>(), norm.epsilon, n, y);
}

}  // namespace

std::size_t Encoder::weight_bytes() const {
  std::size_t bytes = embeddings.norm.gamma ? embeddings.norm.gamma.bytes() * 2 : 0;
  for (const Tensor& table : embeddings.tables) bytes += table ? table.bytes() : 0;
  for (const EncoderLayer& layer : layers) {
    bytes += layer.query_key_value.weight_bytes() + layer.attn_out.weight_bytes() + layer.ffn_in.weight_bytes() +
             layer.ffn_out.weight_bytes() + 2 * (layer.attn_norm.gamma.bytes() + layer.ffn_norm.gamma.bytes());
  }
  return bytes;
}

std::vector<std::string> Encoder::describe() const {
  std::vector<std::string> lines;
  if (embeddings.norm.gamma)
    lines.push_back("Embeddings: " + std::to_string(embeddings.tables.size()) + " tables and LayerNorm");
  const EncoderLayer& layer = layers.front();
  lines.push_back("EncoderLayer x " + std::to_string(layers.size()) + ": hidden " + std::to_string(hidden) +
                  ", heads " + std::to_string(layer.heads) + ", ffn " + std::to_string(layer.ffn_in.out_features()) +
                  ", " + (layer.ffn_in.reads_quantized_rows() ? "int8" : "fp32") +
                  (layer.attention == AttentionPrecision::int8 ? ", attention int8" : ", attention fp32") +
                  (first_row_only ? ", last layer computes the first row only" : ""));
  return lines;
}

double multiply_adds(const Encoder& encoder, std::span<const std::size_t> lengths) {
  const auto h = static_cast<double>(encoder.hidden);
  double total = 0;
  for (std::size_t l = 0; l < encoder.layers.size(); ++l) {
    const auto ffn = static_cast<double>(encoder.layers[l].ffn_in.out_features());
    const bool pruned = encoder.first_row_only && l + 1 == encoder.layers.size();
    for (std::size_t length : lengths) {
      const auto keys = static_cast<double>(length);
      const double queries = pruned ? 1 : keys;
      total += 2 * keys * h * h;                     // key, value
      total += queries * (2 * h * h + 2 * h * ffn);  // query, attn_out, ffn_in, ffn_out
      total += 2 * queries * keys * h;               // scores and context
    }
  }
  return total;
}

namespace {

// [length] or [batch, length], with ones before or between.
void check_mask(MaskKind kind, const Tensor& mask, std::int64_t batch, std::int64_t length) {
  const DType type = kind == MaskKind::additive ? DType::f32 : DType::boolean;
  if (mask.type() != type) {
    throw Error("mask: expected " + std::string(name(type)) + ", found " + std::string(name(mask.type())));
  }
  engine::Shape dims = mask.shape();
  std::erase(dims, 1);
  engine::Shape shared = {length};
  std::erase(shared, 1);
  engine::Shape each = {batch, length};
  std::erase(each, 1);
  const bool along_keys = mask.rank() > 0 && mask.shape().back() == length;
  if (!along_keys || (dims != shared && dims != each)) {
    throw Error("mask: expected " + std::to_string(batch) + " x " + std::to_string(length) + " values, found " +
                to_string(mask.shape()));
  }
}

}  // namespace

// What follows from the shapes of the inputs.
struct EncoderStep::Sizes {
  std::size_t batch;
  std::size_t length;
};

// The step's scratch, shared by all items.
struct EncoderStep::Buffers {
  std::byte* ragged;
  float* hidden;       // [rows][hidden]
  float* qkv;          // [rows][qkv_width]
  float* context;      // [rows][hidden], or [batch][hidden] in a pruned layer
  float* first_query;  // [batch][hidden]
};

// One worker's scratch for a block of up to kMaxBlock rows.
struct EncoderStep::BlockBuffers {
  float* sum;        // [rows][hidden], before a LayerNorm
  float* normed;     // [rows][hidden], after the first LayerNorm
  float* ffn;        // [rows][widest]
  float* scale;      // [rows]
  std::uint8_t* u8;  // [rows][quantized row of widest]
};

struct EncoderStep::Block {
  std::size_t begin;
  std::size_t count;
};

EncoderStep::EncoderStep(Encoder encoder) : encoder_(std::move(encoder)), widest_(encoder_.hidden) {
  assert(!encoder_.layers.empty());
  for (const EncoderLayer& layer : encoder_.layers) {
    widest_ = std::max(widest_, layer.ffn_in.out_features());
    qkv_width_ = std::max(qkv_width_, kernels::round_up(layer.query_key_value.out_features(), kernels::kPanel));
  }
}

EncoderStep::Sizes EncoderStep::sizes(std::span<const Tensor> inputs) const {
  // Inputs may broadcast over the batch or the length (position ids are [1, length]): one that is not 1 decides.
  Sizes s{1, 1};
  const auto join = [](std::size_t& size, std::int64_t dim) {
    if (dim != 1) size = static_cast<std::size_t>(dim);
  };
  for (std::size_t i = 0; i < encoder_.embeddings.tables.size(); ++i) {
    const Tensor& input = inputs[i];
    const std::size_t trailing = encoder_.embeddings.tables[i] ? 0 : 1;
    if (input.rank() < trailing + 1) continue;
    join(s.length, input.dim(input.rank() - 1 - trailing));
    if (input.rank() > trailing + 1) join(s.batch, input.dim(input.rank() - 2 - trailing));
  }
  return s;
}

void EncoderStep::infer(engine::Inference& io) const {
  const auto& tables = encoder_.embeddings.tables;
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const Tensor& input = io.input(i);
    inputs.push_back(input);
    const bool ids = input.type() == DType::i64 || input.type() == DType::i32;
    if (tables[i] ? !ids : input.type() != DType::f32) {
      throw Error("input " + std::to_string(i) + ": expected " + (tables[i] ? "token ids" : "float rows") + ", found " +
                  std::string(name(input.type())));
    }
  }
  const Sizes s = sizes(inputs);
  const auto batch = static_cast<std::int64_t>(s.batch);
  const auto length = static_cast<std::int64_t>(s.length);
  const auto hidden = static_cast<std::int64_t>(encoder_.hidden);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    engine::Shape shape = {batch, length};
    if (!tables[i]) shape.push_back(hidden);
    const bool wide = tables[i] || (inputs[i].rank() > 0 && inputs[i].shape().back() == hidden);
    if (!wide || engine::broadcast(inputs[i].shape(), shape) != shape) {
      throw Error("input " + std::to_string(i) + ": expected a shape that broadcasts to " + to_string(shape) +
                  ", found " + to_string(inputs[i].shape()));
    }
  }
  if (encoder_.first_row_only && length == 0) throw Error("expected at least one position, found none");
  if (encoder_.mask.kind != MaskKind::none) check_mask(encoder_.mask.kind, io.input(tables.size()), batch, length);
  io.output(0, DType::f32,
            encoder_.first_row_only ? engine::Shape{batch, hidden} : engine::Shape{batch, length, hidden});
}

std::size_t EncoderStep::scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const Sizes s = sizes(inputs);
  const std::size_t rows = s.batch * s.length;
  return RaggedBatch::bytes(s.batch, s.length) + 2 * floats(rows * encoder_.hidden) + floats(rows * qkv_width_) +
         floats(s.batch * encoder_.hidden);
}

EncoderStep::Buffers EncoderStep::buffers(const Execution& e) const {
  const Sizes s = sizes(e.inputs);
  const std::size_t rows = s.batch * s.length;
  std::byte* at = e.scratch;
  const auto take = [&](std::size_t bytes) { return std::exchange(at, at + bytes); };
  Buffers b;
  b.ragged = take(RaggedBatch::bytes(s.batch, s.length));
  b.hidden = reinterpret_cast<float*>(take(floats(rows * encoder_.hidden)));
  b.qkv = reinterpret_cast<float*>(take(floats(rows * qkv_width_)));
  b.context = reinterpret_cast<float*>(take(floats(rows * encoder_.hidden)));
  b.first_query = reinterpret_cast<float*>(take(floats(s.batch * encoder_.hidden)));
  return b;
}

std::size_t EncoderStep::worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const {
  const std::size_t block = 2 * floats(kMaxBlock * encoder_.hidden) + floats(kMaxBlock * widest_) + floats(kMaxBlock) +
                            kMaxBlock * Linear::quantized_row_bytes(widest_);
  std::size_t attention = 0;
  const std::size_t length = sizes(inputs).length;
  for (const EncoderLayer& layer : encoder_.layers) {
    attention = std::max(attention, kernels::attention_f32_scratch(length, length, layer.head_dim));
    attention = std::max(attention, kernels::attention_u8s8_scratch(length, length, layer.head_dim));
  }
  return std::max(block, attention);
}

EncoderStep::BlockBuffers EncoderStep::block_buffers(std::byte* at) const {
  const auto take = [&](std::size_t bytes) { return std::exchange(at, at + bytes); };
  BlockBuffers b;
  b.sum = reinterpret_cast<float*>(take(floats(kMaxBlock * encoder_.hidden)));
  b.normed = reinterpret_cast<float*>(take(floats(kMaxBlock * encoder_.hidden)));
  b.ffn = reinterpret_cast<float*>(take(floats(kMaxBlock * widest_)));
  b.scale = reinterpret_cast<float*>(take(floats(kMaxBlock)));
  b.u8 = reinterpret_cast<std::uint8_t*>(at);
  return b;
}

std::size_t EncoderStep::layer_rows(const Execution& e, std::size_t layer) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  return is_pruned(layer) ? ragged.batch() : ragged.rows();
}

namespace {

// Rows a block: all of them on one thread, as long as they fit; otherwise two blocks a thread where rows suffice.
std::size_t block_size(std::size_t rows, int threads) {
  const std::size_t share = threads == 1 ? rows : ceil_div(rows, 2 * static_cast<std::size_t>(threads));
  const std::size_t blocks = std::max<std::size_t>(ceil_div(rows, std::clamp(share, kMinBlock, kMaxBlock)), 1);
  return std::max<std::size_t>(ceil_div(rows, blocks), 1);
}

std::size_t queries_per_item(const Execution& e) {
  return e.options->threads == 1 ? static_cast<std::size_t>(-1) : kQueriesPerItem;
}

std::size_t query_blocks(const Execution& e, const Sequence& s, bool pruned) {
  const std::size_t queries = s.end - s.begin;
  return pruned || e.options->threads == 1 ? 1 : ceil_div(queries, queries_per_item(e));
}

}  // namespace

EncoderStep::Block EncoderStep::block(const Execution& e, std::size_t rows, std::size_t item) const {
  const std::size_t size = block_size(rows, e.options->threads);
  return {item * size, std::min(size, rows - item * size)};
}

std::size_t EncoderStep::items(const Execution& e, std::size_t phase) const {
  if (phase == 0) return 1;
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  if (ragged.rows() == 0) return 0;
  if (phase == 1) return ceil_div(ragged.rows(), block_size(ragged.rows(), e.options->threads));
  const std::size_t layer = (phase - 2) / 2;
  if (phase % 2 == 1) {
    const std::size_t rows = layer_rows(e, layer);
    return ceil_div(rows, block_size(rows, e.options->threads));
  }
  std::size_t items = 0;
  for (const Sequence& s : ragged.sequences())
    items += encoder_.layers[layer].heads * query_blocks(e, s, is_pruned(layer));
  return items;
}

std::string EncoderStep::phase_name(std::size_t phase) const {
  if (phase == 0) return "rows";
  if (phase == 1) return "embeddings, qkv 0";
  const std::string layer = std::to_string((phase - 2) / 2);
  return (phase % 2 == 0 ? "attention " : "attn_out, ffn ") + layer;
}

void EncoderStep::run(const Execution& e, std::size_t phase, std::size_t item, int worker) const {
  std::byte* scratch = e.worker_scratch[static_cast<std::size_t>(worker)];
  if (phase == 0) return lay_out(e);
  if (phase == 1) return embed(e, block(e, RaggedBatch::at(e.scratch).rows(), item), block_buffers(scratch));
  const std::size_t layer = (phase - 2) / 2;
  if (phase % 2 == 0) return attend(e, layer, item, scratch);
  feed_forward(e, layer, block(e, layer_rows(e, layer), item), block_buffers(scratch));
}

void EncoderStep::lay_out(const Execution& e) const {
  const Sizes s = sizes(e.inputs);
  static const Tensor no_mask;
  const Tensor& mask = encoder_.mask.kind == MaskKind::none ? no_mask : e.inputs[encoder_.embeddings.tables.size()];
  const Queries queries = encoder_.first_row_only       ? Queries::first
                          : e.options->padded_positions ? Queries::all
                                                        : Queries::keys;
  const RaggedBatch& ragged = RaggedBatch::lay_out(e.scratch, s.batch, s.length, encoder_.mask, mask, queries);
  if (ragged.rows() < s.batch * s.length && !encoder_.first_row_only) {
    std::memset(e.outputs[0].raw(), 0, e.outputs[0].bytes());
  }
}

void EncoderStep::embed_row(const Execution& e, std::size_t sequence, std::size_t position, float* out) const {
  const Embeddings& embeddings = encoder_.embeddings;
  for (std::size_t i = 0; i < embeddings.tables.size(); ++i) {
    const Tensor& input = e.inputs[i];
    const Tensor& table = embeddings.tables[i];
    const std::size_t trailing = table ? 0 : 1;
    const auto dim = [&](std::size_t from_last) {
      return from_last < input.rank() ? static_cast<std::size_t>(input.dim(input.rank() - 1 - from_last)) : 1;
    };
    const std::size_t length = dim(trailing);
    const std::size_t index = (dim(trailing + 1) == 1 ? 0 : sequence) * length + (length == 1 ? 0 : position);
    const float* row;
    if (table) {
      const std::int64_t id = id_at(input, index);
      const std::int64_t rows = table.dim(0);
      if (id < -rows || id >= rows) {
        throw Error("id " + std::to_string(id) + " at [" + std::to_string(sequence) + ", " + std::to_string(position) +
                    "] is outside the embedding table of " + std::to_string(rows) + " rows");
      }
      row = table.data<float>() + static_cast<std::size_t>(id < 0 ? id + rows : id) * encoder_.hidden;
    } else {
      row = input.data<float>() + index * encoder_.hidden;
    }
    if (i == 0) {
      std::copy_n(row, encoder_.hidden, out);
    } else {
      e.kernels->add_row(row, encoder_.hidden, out);
    }
  }
  if (embeddings.norm.gamma) normalize(*e.kernels, embeddings.norm, out, encoder_.hidden, out);
}

void EncoderStep::embed(const Execution& e, const Block& block, const BlockBuffers& scratch) const {
  const Buffers b = buffers(e);
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const std::size_t hidden = encoder_.hidden;
  for (std::size_t r = block.begin; r < block.begin + block.count; ++r) {
    embed_row(e, ragged.sequence_of(r), ragged.position(r), b.hidden + r * hidden);
  }
  const Rows rows = rows_for(e, encoder_.layers[0].query_key_value, b.hidden + block.begin * hidden,
                             static_cast<std::ptrdiff_t>(hidden), block.count, scratch);
  project(e, 0, block, rows, scratch);
}

Rows EncoderStep::rows_for(const Execution& e, const Linear& linear, const float* x, std::ptrdiff_t ld,
                           std::size_t count, const BlockBuffers& scratch) const {
  Rows rows{x, ld};
  if (!linear.reads_quantized_rows()) return rows;
  const std::size_t stride = Linear::quantized_row_bytes(linear.in_features());
  for (std::size_t m = 0; m < count; ++m) {
    scratch.scale[m] = e.kernels->quantize_row_u8(x + static_cast<std::ptrdiff_t>(m) * ld, linear.in_features(),
                                                  scratch.u8 + m * stride);
  }
  rows.u8 = scratch.u8;
  rows.ld_u8 = static_cast<std::ptrdiff_t>(stride);
  rows.scale = scratch.scale;
  return rows;
}

void EncoderStep::project(const Execution& e, std::size_t layer, const Block& block, const Rows& rows,
                          const BlockBuffers& scratch) const {
  const Linear& qkv = encoder_.layers[layer].query_key_value;
  const std::size_t first_column = is_pruned(layer) ? qkv.part_offset(1) : 0;  // without the queries
  qkv.run(*e.kernels, rows, block.count, first_column, qkv.out_features(), {},
          buffers(e).qkv + block.begin * qkv_width_ + first_column, static_cast<std::ptrdiff_t>(qkv_width_));
  if (is_pruned(layer)) project_first_rows(e, layer, block, rows, scratch);
}

void EncoderStep::project_first_rows(const Execution& e, std::size_t layer, const Block& block, const Rows& rows,
                                     const BlockBuffers& scratch) const {
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const Linear& qkv = encoder_.layers[layer].query_key_value;
  const std::size_t hidden = encoder_.hidden;
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  // The first rows of the block's sequences, moved together in place: each moves down or stays.
  std::size_t count = 0;
  std::size_t first_sequence = ragged.batch();
  for (std::size_t b = 0; b < ragged.batch(); ++b) {
    const std::size_t row = ragged.sequence(b).first_row;
    if (row < block.begin || row >= block.begin + block.count) continue;
    if (count == 0) first_sequence = b;
    const std::size_t m = row - block.begin;
    if (rows.u8 != nullptr) {
      const auto stride = static_cast<std::size_t>(rows.ld_u8);
      std::memmove(scratch.u8 + count * stride, rows.u8 + m * stride, stride);
      scratch.scale[count] = rows.scale[m];
    } else {
      std::copy_n(rows.f32 + static_cast<std::ptrdiff_t>(m) * rows.ld, hidden, scratch.ffn + count * hidden);
    }
    ++count;
  }
  if (count == 0) return;
  const Rows firsts{scratch.ffn, ld, rows.u8 ? scratch.u8 : nullptr, rows.ld_u8, scratch.scale};
  qkv.run(*e.kernels, firsts, count, 0, hidden, {}, buffers(e).first_query + first_sequence * hidden, ld);
}

void EncoderStep::attend(const Execution& e, std::size_t layer_index, std::size_t item, std::byte* scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const Buffers b = buffers(e);
  const bool pruned = is_pruned(layer_index);

  std::size_t index = 0;
  while (item >= layer.heads * query_blocks(e, ragged.sequence(index), pruned)) {
    item -= layer.heads * query_blocks(e, ragged.sequence(index), pruned);
    ++index;
  }
  const Sequence& s = ragged.sequence(index);
  const std::size_t column = item % layer.heads * layer.head_dim;
  const std::size_t query = item / layer.heads * (pruned ? 1 : queries_per_item(e));
  const auto ld = static_cast<std::ptrdiff_t>(qkv_width_);
  const auto ld_hidden = static_cast<std::ptrdiff_t>(encoder_.hidden);
  const float* keys = b.qkv + s.begin * qkv_width_ + column;

  kernels::AttentionF32 a{};
  a.q = pruned ? b.first_query + index * encoder_.hidden + column : b.qkv + (s.begin + query) * qkv_width_ + column;
  a.ldq = pruned ? ld_hidden : ld;
  a.k = keys + layer.query_key_value.part_offset(1);
  a.ldk = ld;
  a.v = keys + layer.query_key_value.part_offset(2);
  a.ldv = ld;
  a.queries = pruned ? 1 : std::min(s.end - s.begin - query, queries_per_item(e));
  a.keys = s.keys;
  a.head_dim = layer.head_dim;
  a.scale = s.flat ? 0 : layer.score_scale;
  a.bias = s.bias;
  a.ld_bias = 0;
  a.out = b.context + (pruned ? index : s.begin + query) * encoder_.hidden + column;
  a.ldo = ld_hidden;
  a.scratch = scratch;
  (attends_in_int8(layer, a.keys) ? e.kernels->attention_u8s8 : e.kernels->attention_f32)(a);
}

float* EncoderStep::output_row(const Execution& e, std::size_t row) const {
  float* out = e.outputs[0].data<float>();
  if (encoder_.first_row_only) return out + row * encoder_.hidden;
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  return out + (ragged.sequence_of(row) * ragged.length() + ragged.position(row)) * encoder_.hidden;
}

void EncoderStep::feed_forward(const Execution& e, std::size_t layer_index, const Block& block,
                               const BlockBuffers& scratch) const {
  const EncoderLayer& layer = encoder_.layers[layer_index];
  const RaggedBatch& ragged = RaggedBatch::at(e.scratch);
  const Buffers b = buffers(e);
  const kernels::Table& kernels = *e.kernels;
  const std::size_t hidden = encoder_.hidden;
  const std::size_t ffn = layer.ffn_in.out_features();
  const auto ld = static_cast<std::ptrdiff_t>(hidden);
  const auto ld_ffn = static_cast<std::ptrdiff_t>(ffn);
  const bool last = layer_index + 1 == encoder_.layers.size();

  const float* residual = b.hidden + block.begin * hidden;
  if (is_pruned(layer_index)) {
    for (std::size_t m = 0; m < block.count; ++m) {
      std::copy_n(b.hidden + ragged.sequence(block.begin + m).first_row * hidden, hidden, scratch.normed + m * hidden);
    }
    residual = scratch.normed;
  }

  const float* context = b.context + block.begin * hidden;
  Rows rows = rows_for(e, layer.attn_out, context, ld, block.count, scratch);
  kernels::Epilogue add_residual;
  add_residual.residual = residual;
  add_residual.ld_residual = ld;
  layer.attn_out.run(kernels, rows, block.count, add_residual, scratch.sum, ld);
  for (std::size_t m = 0; m < block.count; ++m) {
    normalize(kernels, layer.attn_norm, scratch.sum + m * hidden, hidden, scratch.normed + m * hidden);
  }

  rows = rows_for(e, layer.ffn_in, scratch.normed, ld, block.count, scratch);
  kernels::Epilogue activate;
  activate.activation = layer.activation;
  layer.ffn_in.run(kernels, rows, block.count, activate, scratch.ffn, ld_ffn);

  rows = rows_for(e, layer.ffn_out, scratch.ffn, ld_ffn, block.count, scratch);
  add_residual.residual = scratch.normed;
  layer.ffn_out.run(kernels, rows, block.count, add_residual, scratch.sum, ld);
  for (std::size_t m = 0; m < block.count; ++m) {
    const std::size_t row = block.begin + m;
    normalize(kernels, layer.ffn_norm, scratch.sum + m * hidden, hidden,
              last ? output_row(e, row) : b.hidden + row * hidden);
  }
  if (last) return;
  rows = rows_for(e, encoder_.layers[layer_index + 1].query_key_value, b.hidden + block.begin * hidden, ld, block.count,
                  scratch);
  project(e, layer_index + 1, block, rows, scratch);
}

}  // namespace sesame::models
