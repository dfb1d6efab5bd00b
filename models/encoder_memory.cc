#include "models/encoder_memory.h"

#include <algorithm>
#include <utility>

#include "engine/linear.h"
#include "kernels/pack.h"
#include "models/ragged.h"

namespace sesame::models {
namespace {

std::size_t floats(std::size_t count) { return kernels::round_up(count * sizeof(float), 64); }

// Hands out pieces of memory one after the other.
class Cursor {
 public:
  explicit Cursor(std::byte* begin) : at_(begin) {}
  std::byte* take(std::size_t bytes) { return std::exchange(at_, at_ + bytes); }
  float* take_floats(std::size_t count) { return reinterpret_cast<float*>(take(floats(count))); }

 private:
  std::byte* at_;
};

}  // namespace

EncoderWidths::EncoderWidths(const Encoder& encoder) : hidden(encoder.hidden), widest(encoder.hidden) {
  for (const EncoderLayer& layer : encoder.layers) {
    widest = std::max(widest, layer.ffn_in.out_features());
    for (const engine::Linear* linear : {&layer.query_key_value, &layer.attn_out, &layer.ffn_in, &layer.ffn_out}) {
      made = std::max(made, linear->row_bytes());
    }
    qkv = std::max(qkv, kernels::round_up(layer.query_key_value.out_features(), kernels::kPanel));
  }
}

std::size_t SharedRows::bytes(const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  return RaggedBatch::bytes(sizes.batch, sizes.length) + 2 * floats(rows * widths.hidden) + floats(rows * widths.qkv) +
         floats(sizes.batch * widths.hidden);
}

SharedRows SharedRows::at(std::byte* scratch, const EncoderWidths& widths, const InputSizes& sizes) {
  const std::size_t rows = sizes.batch * sizes.length;
  Cursor cursor(scratch);
  SharedRows shared;
  shared.ragged = cursor.take(RaggedBatch::bytes(sizes.batch, sizes.length));
  shared.hidden = cursor.take_floats(rows * widths.hidden);
  shared.qkv = cursor.take_floats(rows * widths.qkv);
  shared.context = cursor.take_floats(rows * widths.hidden);
  shared.first_query = cursor.take_floats(sizes.batch * widths.hidden);
  return shared;
}

std::size_t BlockRows::bytes(const EncoderWidths& widths) {
  return 2 * floats(kMaxBlock * widths.hidden) + floats(kMaxBlock * widths.widest) + floats(kMaxBlock) +
         kMaxBlock * widths.made;
}

BlockRows BlockRows::at(std::byte* scratch, const EncoderWidths& widths) {
  Cursor cursor(scratch);
  BlockRows block;
  block.sum = cursor.take_floats(kMaxBlock * widths.hidden);
  block.normed = cursor.take_floats(kMaxBlock * widths.hidden);
  block.ffn = cursor.take_floats(kMaxBlock * widths.widest);
  block.scale = cursor.take_floats(kMaxBlock);
  block.made = cursor.take(0);
  return block;
}

}  // namespace sesame::models
