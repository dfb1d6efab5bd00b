#include "models/encoder.h"

#include <algorithm>

#include "engine/linear_cache.h"

namespace sesame::models {

std::string describe(const RelativeAttention& relative) {
  if (!relative) return {};
  std::string terms;
  const auto add = [&](bool there, const char* term) {
    terms += there ? (terms.empty() ? "" : ", ") + std::string(term) : "";
  };
  add(!relative.query.empty(), "content to position");
  add(!relative.key.empty(), "position to content");
  add(static_cast<bool>(relative.bias), "bias");
  return ", relative positions (" + terms + ")";
}

std::size_t Encoder::weight_bytes() const {
  std::size_t bytes = embeddings.norm.gamma ? embeddings.norm.gamma.bytes() * 2 : 0;
  for (const engine::RowTable& table : embeddings.tables) bytes += table.bytes();
  engine::LinearBytes linears;
  for (const EncoderLayer& layer : layers) {
    for (const engine::Linear* linear : {&layer.query_key_value, &layer.attn_out, &layer.ffn_in, &layer.ffn_out}) {
      linears.add(*linear);
    }
    bytes += 2 * (layer.attn_norm.gamma.bytes() + layer.ffn_norm.gamma.bytes()) + layer.relative.weight_bytes();
  }
  return bytes + linears.bytes();
}

std::vector<std::string> Encoder::describe() const {
  std::vector<std::string> lines;
  if (embeddings.norm.gamma)
    lines.push_back("Embeddings: " + std::to_string(embeddings.tables.size()) + " tables and LayerNorm" +
                    (std::ranges::any_of(embeddings.tables, &engine::RowTable::is_bytes) ? ", int8" : ""));
  const EncoderLayer& layer = layers.front();
  lines.push_back("EncoderLayer x " + std::to_string(layers.size()) + ": hidden " + std::to_string(hidden) +
                  ", heads " + std::to_string(layer.heads) + ", ffn " + std::to_string(layer.ffn_in.out_features()) +
                  ", " + std::string(engine::name(layer.ffn_in.precision())) + ", attention " +
                  std::string(name(layer.attention)) + models::describe(layer.relative) +
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
      if (encoder.layers[l].relative)
        total += encoder.layers[l].relative.multiply_adds(encoder.layers[l].heads, pruned ? 1 : length, length);
      total += 2 * keys * h * h;                     // key, value
      total += queries * (2 * h * h + 2 * h * ffn);  // query, attn_out, ffn_in, ffn_out
      total += 2 * queries * keys * h;               // scores and context
    }
  }
  return total;
}

}  // namespace sesame::models
