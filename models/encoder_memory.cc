#include "models/encoder_memory.h"

#include <algorithm>

#include "engine/linear.h"
#include "kernels/pack.h"
#include "models/attention_kernel.h"
#include "models/cursor.h"
#include "models/ragged.h"

namespace sesame::models {

EncoderWidths::EncoderWidths(const Encoder& encoder) : hidden(encoder.hidden), widest(encoder.hidden) {
  for (const EncoderLayer& layer : encoder.layers) {
    widest = std::max(widest, layer.ffn_in.out_features());
    qkv = std::max(qkv, kernels::round_up(layer.query_key_value.out_features(), kernels::kPanel));
    for (const engine::Linear* linear : {&layer.query_key_value, &layer.attn_out, &layer.ffn_in, &layer.ffn_out}) {
      made = std::max(made, linear->row_bytes());
    }
    if (keeps_bytes(layer, 0)) {
      head_bytes = std::max(head_bytes, layer.heads * kernels::round_up(layer.head_dim, 4));
      heads = std::max(heads, layer.heads);
    } else {
      floats = true;
    }
  }
}

bool keeps_bytes(const EncoderLayer& layer, std::size_t length) {
  return layer.attention == AttentionPrecision::int8 && fits_int8(length, layer.head_dim) &&
         layer.relative.query.empty() && layer.relative.key.empty();
}

std::uint8_t* HeadBytes::bytes_at(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const {
  const std::size_t place = (static_cast<std::size_t>(part) * layer.heads + head) * rows + row;
  return bytes + place * kernels::round_up(layer.head_dim, 4);
}

float* HeadBytes::scale_at(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const {
  return scale + (static_cast<std::size_t>(part) * layer.heads + head) * rows + row;
}

kernels::TokenBytes HeadBytes::tokens(const EncoderLayer& layer, Part part, std::size_t head, std::size_t row) const {
  return {bytes_at(layer, part, head, row), static_cast<std::ptrdiff_t>(kernels::round_up(layer.head_dim, 4)),
          scale_at(layer, part, head, row)};
}

namespace {

// Floats of all rows' queries, keys and values.
std::size_t qkv_floats(const EncoderWidths& widths, const InputSizes& sizes) {
  const bool any = widths.floats || sizes.length > kernels::kMaxK;
  return any ? sizes.batch * sizes.length * widths.qkv : 0;
}

}  // namespace

std::size_t SharedRows::bytes(const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  return RaggedBatch::bytes(sizes.batch, sizes.length) + 2 * piece<float>(rows * widths.hidden) +
         piece<float>(qkv_floats(widths, sizes)) + piece<std::uint8_t>(3 * rows * widths.head_bytes) +
         piece<float>(3 * rows * widths.heads) + piece<float>(sizes.batch * widths.hidden);
}

SharedRows SharedRows::at(std::byte* scratch, const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  Cursor cursor(scratch);
  SharedRows shared;
  shared.ragged = cursor.take<std::byte>(RaggedBatch::bytes(sizes.batch, sizes.length));
  shared.hidden = cursor.take<float>(rows * widths.hidden);
  shared.qkv = cursor.take<float>(qkv_floats(widths, sizes));
  shared.heads.bytes = cursor.take<std::uint8_t>(3 * rows * widths.head_bytes);
  shared.heads.scale = cursor.take<float>(3 * rows * widths.heads);
  shared.heads.rows = rows;
  shared.context = cursor.take<float>(rows * widths.hidden);
  shared.first_query = cursor.take<float>(sizes.batch * widths.hidden);
  return shared;
}

std::size_t BlockRows::bytes(const EncoderWidths& widths) {
  return piece<float>(kMaxBlock * widths.hidden) + piece<float>(kMaxBlock * widths.widest) +
         piece<float>(widths.widest) + piece<float>(kMaxBlock) + kMaxBlock * widths.made;
}

BlockRows BlockRows::at(std::byte* scratch, const EncoderWidths& widths) {
  Cursor cursor(scratch);
  BlockRows block;
  block.first_rows = cursor.take<float>(kMaxBlock * widths.hidden);
  block.ffn = cursor.take<float>(kMaxBlock * widths.widest);
  block.activated = cursor.take<float>(widths.widest);
  block.scale = cursor.take<float>(kMaxBlock);
  block.made = cursor.take<std::byte>(0);
  return block;
}

}  // namespace sesame::models
