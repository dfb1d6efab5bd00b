#include "models/encoder.h"

namespace sesame::models {

std::size_t Encoder::weight_bytes() const {
  std::size_t bytes = embeddings.norm.gamma ? embeddings.norm.gamma.bytes() * 2 : 0;
  for (const engine::Tensor& table : embeddings.tables) bytes += table ? table.bytes() : 0;
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
                  ", " + std::string(engine::name(layer.ffn_in.precision())) +
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

}  // namespace sesame::models
