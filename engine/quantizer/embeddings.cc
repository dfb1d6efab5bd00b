#include "engine/quantizer/embeddings.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/binding.h"
#include "engine/row_table.h"

namespace sesame::engine {

namespace {

// Operators that rows go through on their way from a table to the first layer, as far as they keep to rows.
bool keeps_rows(const Node& node) {
  constexpr std::string_view kOps[] = {"Add", "Mul", "Concat", "Slice", "Pad", "LayerNormalization"};
  const bool is_form = node.is("Linear", kSesame) || node.is("LayerNormalizationSteps", kSesame);
  return is_form || (node.domain == kOnnx && std::find(std::begin(kOps), std::end(kOps), node.op) != std::end(kOps));
}

class Tables {
 public:
  explicit Tables(Graph& graph) : graph_(graph), uses_(graph), depends_(graph.value_count(), false) {}

  std::vector<QuantizedTable> quantize() {
    std::vector<QuantizedTable> tables;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      Node& node = graph_.nodes[n];
      const bool is_embedding = is_lookup(node) && !reads_softmax(node) && leads_to_rows(node);
      for (ValueId id : node.outputs) {
        if (id != kNoValue) depends_[static_cast<std::size_t>(id)] = node.is("Softmax") || reads_softmax(node);
      }
      if (!is_embedding) continue;
      tables.push_back({n, node});
    }
    for (const QuantizedTable& table : tables) quantize(graph_.nodes[table.node]);
    return tables;
  }

 private:
  bool is_lookup(const Node& node) const {
    const auto lookup = row_lookup(graph_, node);
    return lookup && !lookup->table.is_bytes() && !graph_.is_constant(lookup->ids);
  }

  // Whether it lies behind the first layer's attention.
  bool reads_softmax(const Node& node) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId id) { return id != kNoValue && depends_[static_cast<std::size_t>(id)]; });
  }

  bool leads_to_rows(const Node& node) const {
    const auto& readers = uses_.readers(node.output(0));
    return !readers.empty() && !uses_.is_graph_output(node.output(0)) &&
           std::all_of(readers.begin(), readers.end(),
                       [&](int reader) { return keeps_rows(graph_.nodes[static_cast<std::size_t>(reader)]); });
  }

  void quantize(Node& node) {
    const ValueId floats = node.input(0);
    const auto [it, is_new] = made_.try_emplace(floats);
    if (is_new) {
      const RowTable table = with_node(graph_, node, [&] { return to_bytes(graph_.constant(floats)); });
      const std::string name = graph_.value(floats).name;
      it->second.first = graph_.add_constant(name + "/rows", table.rows);
      it->second.second = graph_.add_constant(name + "/scale", table.scale);
    }
    node.op = "GatherBytes";
    node.domain = kSesame;
    node.version = 1;
    node.inputs = {it->second.first, it->second.second, node.input(1)};
    node.attributes = {};
  }

  Graph& graph_;
  Uses uses_;
  std::vector<bool> depends_;  // by value: on a softmax
  std::map<ValueId, std::pair<ValueId, ValueId>> made_;
};

}  // namespace

std::vector<QuantizedTable> quantize_embeddings(Graph& graph) { return Tables(graph).quantize(); }

void restore_floats(Graph& graph, const QuantizedTable& table) { graph.nodes[table.node] = table.floats; }

std::string describe(const Graph& graph, const QuantizedTable& table) {
  const Node& node = graph.nodes[table.node];
  return node.name.empty() ? graph.value(node.output(0)).name : node.name;
}

}  // namespace sesame::engine
