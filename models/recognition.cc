#include "models/recognition.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/encoder_step.h"
#include "models/layer_pattern.h"

namespace sesame::models {

using engine::Graph;
using engine::kNoValue;
using engine::kSesame;
using engine::Linear;
using engine::LinearWeights;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

// Layers that follow each other, each reading what the one before made, with the same mask.
using Chain = std::vector<LayerPattern>;

LayerNorm layer_norm(const Graph& graph, const Node& node) {
  return {graph.constant(node.input(1)), graph.constant(node.input(2)), node.attributes.real("epsilon", 1e-5f)};
}

kernels::Activation activation_of(const Node& node) {
  if (node.is("Relu")) return kernels::Activation::relu;
  return node.attributes.text("approximate", "none") == "tanh" ? kernels::Activation::gelu_tanh
                                                               : kernels::Activation::gelu_erf;
}

Linear pack(const Graph& graph, std::initializer_list<const Node*> nodes) {
  std::vector<LinearWeights> parts;
  for (const Node* node : nodes) parts.push_back(engine::linear_weights(graph, *node));
  return Linear(parts, engine::linear_scheme(**nodes.begin()));
}

EncoderLayer make_layer(const Graph& graph, const LayerPattern& p, AttentionPrecision attention) {
  EncoderLayer layer;
  layer.heads = p.attention.heads;
  layer.head_dim = p.attention.head_dim;
  layer.score_scale = p.attention.scale;
  layer.attention = attention;
  layer.query_key_value = pack(graph, {p.query, p.key, p.value});
  layer.attn_out = pack(graph, {p.attn_out});
  layer.attn_norm = layer_norm(graph, *p.attn_norm);
  layer.ffn_in = pack(graph, {p.ffn_in});
  layer.activation = activation_of(*p.activation);
  layer.ffn_out = pack(graph, {p.ffn_out});
  layer.ffn_norm = layer_norm(graph, *p.ffn_norm);
  return layer;
}

Embeddings make_embeddings(const Graph& graph, const EmbeddingsPattern& p) {
  Embeddings embeddings;
  for (const auto& addend : p.addends) embeddings.tables.push_back(graph.constant(addend.table));
  if (p.norm != nullptr) embeddings.norm = layer_norm(graph, *p.norm);
  return embeddings;
}

class Recogniser {
 public:
  Recogniser(Graph& graph, AttentionPrecision attention)
      : graph_(graph), m_(graph), probe_(graph), attention_(attention) {}

  Recognition run() {
    for (const Chain& chain : find_chains()) replace(chain);
    for (auto& [at, node] : replacements_) graph_.nodes[at] = std::move(node);
    engine::remove_dead_nodes(graph_);
    return std::move(report_);
  }

 private:
  std::vector<Chain> find_chains() {
    std::vector<Chain> chains;
    for (const Node& node : graph_.nodes) {
      if (!is_attention_softmax(probe_, node)) continue;
      ++report_.layers_total;
      const std::optional<LayerPattern> layer = find_layer(node);
      if (!layer) continue;
      ++report_.layers_recognised;
      if (!chains.empty() && continues(chains.back().back(), *layer)) {
        chains.back().push_back(*layer);
      } else {
        chains.push_back({*layer});
      }
    }
    return chains;
  }

  std::optional<LayerPattern> find_layer(const Node& softmax) {
    Mismatch why;
    if (const auto attention = match_attention(m_, probe_, softmax, why)) {
      if (auto layer = match_layer(m_, probe_, *attention, why)) return layer;
    }
    const Node* found = why.at == kNoValue ? nullptr : m_.uses().producer(why.at);
    Unfused unfused;
    unfused.node = found && !found->name.empty() ? found->name
                   : why.at == kNoValue          ? softmax.name
                                                 : graph_.value(why.at).name;
    unfused.op = found ? found->op : "";
    unfused.expected = why.expected;
    unfused.found = found ? found->op : "a graph input or constant";
    report_.unfused.push_back(std::move(unfused));
    return std::nullopt;
  }

  // Whether `next` reads `last`'s output, which nothing else does, under the same mask.
  bool continues(const LayerPattern& last, const LayerPattern& next) const {
    if (next.input != last.output || m_.uses().is_graph_output(last.output)) return false;
    for (int n : m_.uses().readers(last.output)) {
      const Node* reader = &graph_.nodes[static_cast<std::size_t>(n)];
      const bool inside = reader == next.query || reader == next.key || reader == next.value ||
                          (reader->is("Add") && reader->output(0) == next.attn_norm->input(0));
      if (!inside) return false;
    }
    const AttentionPattern& a = last.attention;
    const AttentionPattern& b = next.attention;
    return a.mask == b.mask && a.mask_meaning.kind == b.mask_meaning.kind && a.mask_meaning.fill == b.mask_meaning.fill;
  }

  // The node that reads position 0 of the hidden state, when nothing else of it is read.
  const Node* first_row_reader(ValueId hidden) const {
    const Node* found = nullptr;
    if (m_.uses().is_graph_output(hidden)) return nullptr;
    for (int n : m_.uses().readers(hidden)) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
      if (found != nullptr || !node.is("Gather") || node.attributes.integer("axis", 0) != 1) return nullptr;
      const engine::Tensor& index = graph_.constant(node.input(1));
      const bool integer = index && (index.type() == engine::DType::i64 || index.type() == engine::DType::i32);
      if (!integer || index.rank() != 0 || engine::to_int64s(index)[0] != 0 || node.output(0) == kNoValue)
        return nullptr;
      found = &node;
    }
    return found;
  }

  // The longest sequence that a table has rows for, when its ids count the positions: p + offset at position p.
  std::optional<std::int64_t> most_positions(const EmbeddingsPattern::Addend& addend) const {
    if (addend.table == kNoValue || !probe_.follows_from_shapes(addend.input)) return std::nullopt;
    const engine::Tensor& value = probe_.value(addend.input);
    if (value.type() != engine::DType::i64 && value.type() != engine::DType::i32) return std::nullopt;
    const std::vector<std::int64_t> ids = engine::to_int64s(value);
    if (ids.size() < 2 || value.shape().back() < 2 || ids[0] < 0) return std::nullopt;
    const auto length = static_cast<std::size_t>(value.shape().back());
    for (std::size_t p = 1; p < length; ++p) {
      if (ids[p] != ids[p - 1] + 1) return std::nullopt;
    }
    return graph_.constant(addend.table).dim(0) - ids[0];
  }

  void replace(const Chain& chain) {
    const EmbeddingsPattern embeddings = match_embeddings(m_, probe_, chain.front().input);
    const AttentionPattern& attention = chain.front().attention;
    Encoder encoder;
    encoder.embeddings = make_embeddings(graph_, embeddings);
    for (const LayerPattern& layer : chain) encoder.layers.push_back(make_layer(graph_, layer, attention_));
    encoder.hidden = attention.heads * attention.head_dim;
    encoder.mask = attention.mask == kNoValue ? Mask{} : attention.mask_meaning;

    Node node;
    node.op = "Encoder";
    node.domain = kSesame;
    node.name = chain.front().attn_norm->name;
    for (const auto& addend : embeddings.addends) {
      node.inputs.push_back(addend.input);
      if (const auto most = most_positions(addend)) {
        report_.position_rows = std::min(report_.position_rows.value_or(*most), *most);
      }
    }
    if (attention.mask != kNoValue) node.inputs.push_back(attention.mask);
    const ValueId hidden = chain.back().output;
    const Node* first_row = first_row_reader(hidden);
    encoder.first_row_only = first_row != nullptr;
    const ValueId output = first_row ? first_row->output(0) : hidden;
    node.outputs = {output};
    for (std::string& line : encoder.describe()) report_.structs.push_back(std::move(line));
    node.step = std::make_shared<EncoderStep>(std::move(encoder));
    replacements_.emplace_back(static_cast<std::size_t>(m_.uses().producer_index(output)), std::move(node));
  }

  Graph& graph_;
  Matcher m_;
  ShapeProbe probe_;
  AttentionPrecision attention_;
  Recognition report_;
  std::vector<std::pair<std::size_t, Node>> replacements_;
};

}  // namespace

Recognition recognise_encoders(Graph& graph, AttentionPrecision attention) {
  return Recogniser(graph, attention).run();
}

SourceGraph describe_source(const Graph& graph) {
  SourceGraph source;
  source.producer = graph.producer_name + (graph.producer_version.empty() ? "" : " " + graph.producer_version);
  for (const auto& [domain, version] : graph.opsets) source.opset[domain.empty() ? "ai.onnx" : domain] = version;
  for (const Node& node : graph.nodes) ++source.operators[node.domain.empty() ? node.op : node.domain + "." + node.op];
  for (const char* op :
       {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul",
        "com.microsoft.QGemm", "com.microsoft.QLinearAdd", "com.microsoft.QLinearSoftmax", "com.microsoft.QAttention",
        "com.microsoft.QEmbedLayerNormalization", "com.microsoft.DynamicQuantizeMatMul",
        "com.microsoft.MatMulIntegerToFloat"}) {
    if (const auto it = source.operators.find(op); it != source.operators.end()) {
      source.quantization.push_back(it->first + " x " + std::to_string(it->second));
    }
  }
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    const engine::Tensor& t = graph.value(static_cast<ValueId>(v)).constant;
    const bool integer =
        t && (t.type() == engine::DType::i64 || t.type() == engine::DType::i32 || t.type() == engine::DType::boolean);
    if (!t || integer) continue;
    source.parameters += t.size();
    source.bytes += static_cast<std::int64_t>(t.bytes());
  }
  return source;
}

}  // namespace sesame::models
