// A model made hard to quantize on purpose, whose function in fp32 is the same.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "engine/linear.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/layer_pattern.h"
#include "models/loading.h"

namespace sesame::models {

// The node's weight, and its bias where columns are meant, with channel c times factor(c).
template <class Fn>
void scale_channels(engine::Graph& graph, engine::Node& node, bool columns, Fn factor) {
  const engine::LinearWeights w = engine::linear_weights(graph, node);
  const engine::Tensor weight = w.weight.clone();
  const auto lines = static_cast<std::size_t>(weight.dim(0)), width = static_cast<std::size_t>(weight.dim(1));
  for (std::size_t i = 0; i < lines; ++i) {
    for (std::size_t j = 0; j < width; ++j)
      weight.data<float>()[i * width + j] *= factor(columns == w.transposed ? i : j);
  }
  node.inputs[1] = graph.add_constant("", weight);
  if (!columns || !w.bias) return;
  const engine::Tensor bias = w.bias.clone();
  for (std::size_t c = 0; c < w.out_features(); ++c) bias.data<float>()[c] *= factor(c);
  node.inputs[2] = graph.add_constant("", bias);
}

// In every layer some value channels are scaled by 30 to 100 and attn_out's rows divided by as much, some query
// channels by 10 to 40 and key channels divided.
inline void make_hard(engine::Graph& graph) {
  const auto value_factor = [](std::size_t c) { return c % 37 == 5 ? 30.0f + static_cast<float>(c % 71) : 1.0f; };
  const auto query_factor = [](std::size_t c) { return c % 29 == 3 ? 10.0f + static_cast<float>(c % 31) : 1.0f; };
  std::vector<std::array<std::size_t, 4>> layers;
  {
    const engine::Matcher m(graph);
    const engine::ShapeProbe probe(graph);
    const auto index = [&](const engine::Node* node) { return static_cast<std::size_t>(node - graph.nodes.data()); };
    for (const engine::Node& node : graph.nodes) {
      Mismatch why;
      if (!is_attention_softmax(probe, node)) continue;
      const auto attention = match_attention(m, probe, node, why);
      const auto layer = match_layer(m, probe, attention.value(), why).value();
      layers.push_back({index(layer.query), index(layer.key), index(layer.value), index(layer.attn_out)});
    }
  }
  for (const auto& [query, key, value, attn_out] : layers) {
    scale_channels(graph, graph.nodes[query], true, query_factor);
    scale_channels(graph, graph.nodes[key], true, [&](std::size_t c) { return 1 / query_factor(c); });
    scale_channels(graph, graph.nodes[value], true, value_factor);
    scale_channels(graph, graph.nodes[attn_out], false, [&](std::size_t c) { return 1 / value_factor(c); });
  }
}

}  // namespace sesame::models
