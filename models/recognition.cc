#include "models/recognition.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/linear_cache.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/encoder_step.h"
#include "models/layer_pattern.h"
#include "models/row_compiler.h"
#include "models/row_recognition.h"

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

// What layers share.
struct SharedParts {
  engine::LinearCache linears;
  std::shared_ptr<const RelativePlaces> places;
};

Linear pack(const Graph& graph, std::initializer_list<const Node*> nodes, engine::LinearCache& cache) {
  std::vector<LinearWeights> parts;
  for (const Node* node : nodes) parts.push_back(engine::linear_weights(graph, *node));
  return cache.get(parts, engine::linear_scheme(**nodes.begin()));
}

EncoderLayer make_layer(const Graph& graph, const LayerPattern& p, AttentionPrecision attention, SharedParts& shared) {
  EncoderLayer layer;
  layer.heads = p.attention.heads;
  layer.head_dim = p.attention.head_dim;
  layer.score_scale = p.attention.scale;
  layer.attention = attention;
  layer.relative = make_relative_attention(p.attention.relative, p.attention.heads,
                                           engine::linear_scheme(*p.query).precision, shared.places);
  shared.places = layer.relative.places;
  layer.query_key_value = pack(graph, {p.query, p.key, p.value}, shared.linears);
  layer.attn_out = pack(graph, {p.attn_out}, shared.linears);
  layer.attn_norm = layer_norm(graph, *p.attn_norm);
  layer.ffn_in = pack(graph, {p.ffn_in}, shared.linears);
  layer.activation = activation_of(*p.activation);
  layer.ffn_out = pack(graph, {p.ffn_out}, shared.linears);
  layer.ffn_norm = layer_norm(graph, *p.ffn_norm);
  return layer;
}

Embeddings make_embeddings(const Graph& graph, const EmbeddingsPattern& p) {
  Embeddings embeddings;
  for (const auto& addend : p.addends) embeddings.tables.push_back(addend.table);
  if (p.norm != nullptr) embeddings.norm = layer_norm(graph, *p.norm);
  embeddings.scaled = p.factor != kNoValue;
  return embeddings;
}

class ChainRecogniser {
 public:
  ChainRecogniser(Graph& graph, AttentionPrecision attention)
      : graph_(graph), m_(graph), probe_(graph), attention_(attention), padding_counts_(padding_counts(graph)) {}

  // Replaces chains of layers; returns the attentions that are in none, and why.
  std::vector<LoneAttention> run(Recognition& report) {
    const std::vector<Chain> chains = find_chains(report);
    if (is_better_as_one(chains)) {
      leave(chains, report);
      return std::move(alone_);
    }
    for (const Chain& chain : chains) replace(chain, report);
    for (auto& [at, node] : replacements_) graph_.nodes[at] = std::move(node);
    if (!added_.empty()) {
      for (Node& node : added_) graph_.nodes.push_back(std::move(node));
      engine::sort_topologically(graph_);
    }
    engine::remove_dead_nodes(graph_);
    return std::move(alone_);
  }

 private:
  std::vector<Chain> find_chains(Recognition& report) {
    std::vector<Chain> chains;
    for (const Node& node : graph_.nodes) {
      if (!is_attention_softmax(probe_, node)) continue;
      ++report.layers_total;
      const std::optional<LayerPattern> layer = find_layer(node);
      if (!layer) continue;
      ++report.layers_recognised;
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
      // A program of rows can quantize, and keep the rows of padding.
      const bool by_rows = attention->bytes || padding_counts_;
      auto layer = by_rows ? std::nullopt : match_layer(m_, probe_, *attention, why);
      if (layer) return layer;
      if (by_rows) why = {attention->query, "operations on rows alone between attentions"};
    }
    alone_.push_back({softmax.output(0), describe_mismatch(m_, softmax, why)});
    return std::nullopt;
  }

  // Whether layers that do not follow each other have but work on rows between them: a second feed-forward network, an
  // output of the graph.
  bool is_better_as_one(const std::vector<Chain>& chains) const {
    std::vector<AttentionPattern> attentions;
    for (const Chain& chain : chains) {
      for (const LayerPattern& layer : chain) attentions.push_back(layer.attention);
    }
    Mismatch ignored;
    return chains.size() > 1 && alone_.empty() && count_together(m_, probe_, attentions, ignored) == attentions.size();
  }

  void leave(const std::vector<Chain>& chains, Recognition& report) {
    for (const Chain& chain : chains) {
      for (const LayerPattern& layer : chain) alone_.push_back({layer.attention.softmax, {}});
      report.layers_recognised -= static_cast<int>(chain.size());
    }
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
    return a.mask == b.mask && a.mask_meaning.kind == b.mask_meaning.kind &&
           a.mask_meaning.fill == b.mask_meaning.fill && a.mask_meaning.masked_queries == b.mask_meaning.masked_queries;
  }

  void replace(const Chain& chain, Recognition& report) {
    const EmbeddingsPattern embeddings = match_embeddings(m_, probe_, chain.front().input);
    const AttentionPattern& attention = chain.front().attention;
    Encoder encoder;
    encoder.embeddings = make_embeddings(graph_, embeddings);
    for (const LayerPattern& layer : chain) encoder.layers.push_back(make_layer(graph_, layer, attention_, shared_));
    encoder.hidden = attention.heads * attention.head_dim;
    encoder.mask = ragged_mask(attention);

    Node node;
    node.op = "Encoder";
    node.domain = kSesame;
    node.name = chain.front().attn_norm->name;
    for (const auto& addend : embeddings.addends) {
      node.inputs.push_back(addend.input);
      limit_positions(probe_, addend.table, addend.input, report);
    }
    if (attention.mask != kNoValue) node.inputs.push_back(mask_input(attention));
    if (embeddings.factor != kNoValue) node.inputs.push_back(embeddings.factor);
    const ValueId hidden = chain.back().output;
    const Node* first_row = first_row_reader(m_, hidden);
    encoder.first_row_only = first_row != nullptr;
    const ValueId output = first_row ? first_row->output(0) : hidden;
    node.outputs = {output};
    for (std::string& line : encoder.describe()) report.structs.push_back(std::move(line));
    node.step = std::make_shared<EncoderStep>(std::move(encoder));
    replacements_.emplace_back(static_cast<std::size_t>(m_.uses().producer_index(output)), std::move(node));
  }

  ValueId mask_input(const AttentionPattern& attention) {
    if (attention.pair_mask) return add_key_mask(graph_, *attention.pair_mask, added_);
    if (attention.query_mask) return add_query_mask(graph_, attention.mask, attention.mask_meaning, added_);
    return attention.mask;
  }

  Graph& graph_;
  Matcher m_;
  ShapeProbe probe_;
  AttentionPrecision attention_;
  bool padding_counts_;
  SharedParts shared_;
  std::vector<LoneAttention> alone_;
  std::vector<std::pair<std::size_t, Node>> replacements_;
  std::vector<Node> added_;
};

}  // namespace

Recognition recognise_encoders(Graph& graph, AttentionPrecision attention) {
  Recognition report;
  std::vector<LoneAttention> alone = ChainRecogniser(graph, attention).run(report);
  recognise_row_encoders(graph, attention, alone, report);
  for (LoneAttention& each : alone) report.unfused.push_back(std::move(each.why));
  return report;
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
