#include "models/equalization.h"

#include <vector>

#include "engine/linear_scheme.h"
#include "engine/normal_forms/matcher.h"
#include "engine/quantizer/equalize.h"
#include "engine/shape_probe.h"
#include "models/layer_pattern.h"

namespace sesame::models {

using engine::Graph;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ValueId;

namespace {

// Operators that keep channels apart and are linear in each.
bool keeps_channels(const Node& node) {
  for (const char* op : {"Reshape", "Transpose", "Unsqueeze", "Squeeze", "Identity", "Mul", "Div"}) {
    if (node.is(op)) return true;
  }
  return false;
}

// The node at which the channels of `id` meet those of something else, when nothing else reads them on the way.
const Node* meets(const Matcher& m, ValueId id) {
  while (m.uses().has_one_reader(id)) {
    const Node& reader = m.graph().nodes[static_cast<std::size_t>(m.uses().readers(id)[0])];
    if (reader.is("MatMul") || reader.is("Einsum")) return &reader;
    if (!keeps_channels(reader) || reader.outputs.size() != 1) return nullptr;
    if (reader.input(0) != id && reader.input(1) != id) return nullptr;
    id = reader.output(0);
  }
  return nullptr;
}

// Whether what the node makes is read by nothing but `taker`, by way of operators that keep channels apart.
bool leads_to(const Matcher& m, const Node& node, const Node& taker) {
  ValueId id = node.output(0);
  while (id != taker.input(0)) {
    if (!m.uses().has_one_reader(id)) return false;
    const Node& reader = m.graph().nodes[static_cast<std::size_t>(m.uses().readers(id)[0])];
    if (!keeps_channels(reader) || reader.outputs.size() != 1) return false;
    id = reader.output(0);
  }
  return m.uses().has_one_reader(id);
}

struct Pairs {
  std::size_t query, key, value, attn_out;  // nodes of the graph
  bool products = false;                    // queries and keys
  bool values = false;
};

std::vector<Pairs> find_pairs(const Graph& graph) {
  const Matcher m(graph);
  const engine::ShapeProbe probe(graph);
  const auto index = [&](const Node* node) { return static_cast<std::size_t>(node - graph.nodes.data()); };
  std::vector<Pairs> pairs;
  for (const Node& node : graph.nodes) {
    Mismatch why;
    if (!is_attention_softmax(probe, node)) continue;
    const auto attention = match_attention(m, probe, node, why);
    const auto layer = attention ? match_layer(m, probe, *attention, why) : std::nullopt;
    if (!layer) continue;
    Pairs p{index(layer->query), index(layer->key), index(layer->value), index(layer->attn_out)};
    const Node* scores = meets(m, layer->query->output(0));
    p.products = scores != nullptr && scores == meets(m, layer->key->output(0)) && layer->query != layer->key;
    const Node* context = meets(m, layer->value->output(0));
    p.values = context != nullptr && context != scores && leads_to(m, *context, *layer->attn_out);
    pairs.push_back(p);
  }
  return pairs;
}

}  // namespace

int equalize_attention(Graph& graph) {
  engine::Equalizer equalizer(graph);
  int layers = 0;
  for (const Pairs& p : find_pairs(graph)) {
    if (p.products) equalizer.fold_into_columns(graph.nodes[p.query], graph.nodes[p.key]);
    if (p.values) equalizer.fold_into_rows(graph.nodes[p.value], graph.nodes[p.attn_out]);
    layers += p.products || p.values ? 1 : 0;
  }
  return layers;
}

}  // namespace sesame::models
