#include "models/encoder_memory.h"

#include <algorithm>

#include "engine/linear.h"
#include "kernels/pack.h"
#include "models/cursor.h"
#include "models/ragged.h"

namespace sesame::models {

EncoderWidths::EncoderWidths(const Encoder& encoder) : hidden(encoder.hidden), widest(encoder.hidden) {
  for (const EncoderLayer& layer : encoder.layers) {
    widest = std::max(widest, layer.ffn_in.out_features());
    qkv = std::max(qkv, kernels::round_up(layer.query_key_value.out_features(), kernels::kPanel));
  }
}

std::size_t SharedRows::bytes(const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  return RaggedBatch::bytes(sizes.batch, sizes.length) + 2 * piece<float>(rows * widths.hidden) +
         piece<float>(rows * widths.qkv) + piece<float>(sizes.batch * widths.hidden);
}

SharedRows SharedRows::at(std::byte* scratch, const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  Cursor cursor(scratch);
  SharedRows shared;
  shared.ragged = cursor.take<std::byte>(RaggedBatch::bytes(sizes.batch, sizes.length));
  shared.hidden = cursor.take<float>(rows * widths.hidden);
  shared.qkv = cursor.take<float>(rows * widths.qkv);
  shared.context = cursor.take<float>(rows * widths.hidden);
  shared.first_query = cursor.take<float>(sizes.batch * widths.hidden);
  return shared;
}

std::size_t BlockRows::bytes(const EncoderWidths& widths) {
  return 2 * piece<float>(kMaxBlock * widths.hidden) + piece<float>(kMaxBlock * widths.widest) +
         piece<float>(kMaxBlock) + kMaxBlock * engine::Linear::quantized_row_bytes(widths.widest);
}

BlockRows BlockRows::at(std::byte* scratch, const EncoderWidths& widths) {
  Cursor cursor(scratch);
  BlockRows block;
  block.sum = cursor.take<float>(kMaxBlock * widths.hidden);
  block.normed = cursor.take<float>(kMaxBlock * widths.hidden);
  block.ffn = cursor.take<float>(kMaxBlock * widths.widest);
  block.scale = cursor.take<float>(kMaxBlock);
  block.u8 = cursor.take<std::uint8_t>(0);
  return block;
}

}  // namespace sesame::models
