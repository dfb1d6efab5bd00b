#include "models/row_compiler.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/linear.h"
#include "engine/quantized_node.h"
#include "models/layer_pattern.h"
#include "models/row_graph.h"
#include "models/row_placer.h"

namespace sesame::models {

using engine::DType;
using engine::Graph;
using engine::kNoValue;
using engine::kSesame;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::Tensor;
using engine::ValueId;

namespace {

RowGraph row_graph(const Matcher& m, const ShapeProbe& probe, const AttentionPattern& attention) {
  const auto& rows = *probe.shape(attention.query);
  return RowGraph(m, probe, rows[0], rows[1]);
}

bool same_mask(const AttentionPattern& a, const AttentionPattern& b) {
  const Mask& x = a.mask_meaning;
  const Mask& y = b.mask_meaning;
  return a.mask == b.mask && x.kind == y.kind && x.fill == y.fill && x.masked_queries == y.masked_queries;
}

// Whether the graph brings a quantization of its own.
bool quantizes(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return engine::is_quantize(node) || node.is("DynamicQuantizeLinear") || node.is("QuantizedLinear", kSesame);
  });
}

class RowCompiler {
 public:
  RowCompiler(const Matcher& m, const ShapeProbe& probe, std::span<const AttentionPattern> attentions)
      : m_(m),
        probe_(probe),
        attentions_(attentions),
        rows_(row_graph(m, probe, attentions[0])),
        placer_(m, probe, rows_, needed_) {
    for (std::size_t i = 0; i < attentions.size(); ++i) {
      context_[attentions[i].context] = i;
      known_.insert(attentions[i].context);
    }
  }

  std::optional<RowRegion> run(AttentionPrecision precision, Mismatch& why) {
    find_needed();
    for (const Node& node : m_.graph().nodes) {
      const auto attention = context_.find(node.output(0));
      if (attention != context_.end()) {
        found_.push_back(attention->second);
        add_attention(attentions_[attention->second], precision);
      } else if (is_needed(node)) {
        placer_.place(node);
      }
    }
    RowEncoder& encoder = region_.encoder;
    encoder.slots = placer_.slots();
    encoder.all_rows = encoder.slots > 0 || padding_counts(m_.graph());
    if (!add_outputs(why)) return std::nullopt;
    region_.inputs = placer_.inputs();
    encoder.inputs = placer_.input_kinds();
    encoder.mask = ragged_mask(attentions_[0]);
    region_.mask = attentions_[0].mask_meaning;
    if (attentions_[0].mask != kNoValue) region_.inputs.push_back(attentions_[0].mask);
    add_score_inputs();
    for (const auto& [id, placed] : placer_.placed()) region_.inside.insert(id);
    for (const AttentionPattern& a : attentions_) region_.inside.insert(a.softmax);
    placer_.writer().finish(encoder);
    return std::move(region_);
  }

 private:
  const Node& node_at(int index) const { return m_.graph().nodes[static_cast<std::size_t>(index)]; }

  // --- What to compute: queries, keys and values, and behind the attentions the residual sums with their norms. ---

  void find_needed() {
    for (const AttentionPattern& a : attentions_) {
      for (ValueId id : {a.query, a.key, a.value}) need(id);
    }
    std::set<ValueId> context(known_);
    const std::set<ValueId> foreign = rows_.behind(known_);
    for (const Node& node : m_.graph().nodes) {
      const auto operands = known_.contains(node.output(0)) ? std::nullopt : rows_.operands(node);
      if (!operands ||
          !std::any_of(operands->begin(), operands->end(), [&](ValueId id) { return context.contains(id); }))
        continue;
      const bool closed = std::all_of(operands->begin(), operands->end(),
                                      [&](ValueId id) { return context.contains(id) || !foreign.contains(id); });
      if (!closed) continue;
      for (ValueId id : node.outputs) context.insert(id);
      if (is_sum_of_activations(m_, &node)) need_end(node.output(0), context);
    }
  }

  // The residual sum and what ends a layer behind it: its norm, and whatever else works on its rows up to the next
  // Linear where a norm may be spelt in any way.
  void need_end(ValueId sum, const std::set<ValueId>& context) {
    need(with_norm(sum));
    if (!quantizes(m_.graph())) return;
    std::set<ValueId> behind = {sum};
    for (const Node& node : m_.graph().nodes) {
      const bool multiplies = node.is("Linear", kSesame) || node.is("QuantizedLinear", kSesame);
      const auto operands = multiplies || node.is("DynamicQuantizeLinear") ? std::nullopt : rows_.operands(node);
      const auto is_behind = [&](ValueId id) { return behind.contains(id); };
      if (!operands || !std::any_of(operands->begin(), operands->end(), is_behind)) continue;
      const bool known = std::all_of(operands->begin(), operands->end(),
                                     [&](ValueId id) { return is_behind(id) || context.contains(id); });
      if (!known || is_sum_of_activations(m_, &node)) continue;
      behind.insert(node.output(0));
      need(node.output(0));
    }
  }

  void need(ValueId id) {
    std::vector<ValueId> open = {id};
    while (!open.empty()) {
      const ValueId next = open.back();
      open.pop_back();
      const Node* node = known_.contains(next) ? nullptr : m_.uses().producer(next);
      const auto operands = node != nullptr ? rows_.operands(*node) : std::nullopt;
      if (!operands || !needed_.insert(next).second) continue;
      open.insert(open.end(), operands->begin(), operands->end());
    }
  }

  bool is_needed(const Node& node) const {
    return std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return needed_.contains(id); });
  }

  // The norm that reads a sum, or the scale and shift that alone do; else the sum.
  ValueId with_norm(ValueId sum) const {
    for (int n : m_.uses().readers(sum)) {
      const bool norm = node_at(n).is("LayerNormalization") || node_at(n).is("LayerNormalizationSteps", kSesame);
      if (norm && rows_.operands(node_at(n))) return node_at(n).output(0);
    }
    for (int step = 0; step < 2 && m_.uses().has_one_reader(sum); ++step) {
      const Node& reader = node_at(m_.uses().readers(sum)[0]);
      const bool affine = (reader.is("Mul") || reader.is("Add")) && m_.constant_operand(reader);
      if (!affine || !rows_.operands(reader)) break;
      sum = reader.output(0);
    }
    return sum;
  }

  // --- The region's border ---

  void add_attention(const AttentionPattern& a, AttentionPrecision precision) {
    const std::size_t program = placer_.program_of({a.query, a.key, a.value});
    const RowView query = placer_.view(a.query, program), key = placer_.view(a.key, program);
    const RowView value = placer_.view(a.value, program), context = placer_.place_value(a.context, program + 1);
    region_.encoder.attentions.push_back(
        {program,
         a.heads,
         a.head_dim,
         a.scale,
         precision,
         query,
         key,
         value,
         context,
         make_relative_attention(a.relative, a.heads, engine::LinearPrecision::fp32, places_),
         a.bytes,
         {}});
    places_ = region_.encoder.attentions.back().relative.places;
  }

  // In the order in which they were found.
  void add_score_inputs() {
    std::map<ValueId, std::size_t> places;
    for (std::size_t i = 0; i < attentions_.size(); ++i) {
      const AttentionPattern& a = attentions_[found_[i]];
      for (ValueId id : a.score_inputs) {
        const auto [it, is_new] = places.try_emplace(id, region_.inputs.size());
        if (is_new) region_.inputs.push_back(id);
        region_.encoder.attentions[i].score_inputs.push_back(it->second);
      }
    }
  }

  // Values of the region that its readers outside are behind `from`; nothing more is looked at behind those.
  std::set<ValueId> region_values_behind(const std::vector<ValueId>& from) const {
    std::set<ValueId> found, seen;
    std::vector<ValueId> open = from;
    while (!open.empty()) {
      const ValueId id = open.back();
      open.pop_back();
      if (id == kNoValue || !seen.insert(id).second) continue;
      if (placer_.placed().contains(id)) {
        found.insert(id);
      } else if (const Node* node = m_.uses().producer(id)) {
        open.insert(open.end(), node->inputs.begin(), node->inputs.end());
      }
    }
    return found;
  }

  bool add_outputs(Mismatch& why) {
    std::vector<ValueId> read = placer_.inputs();
    read.push_back(attentions_[0].mask);
    for (const AttentionPattern& a : attentions_) read.insert(read.end(), a.score_inputs.begin(), a.score_inputs.end());
    if (const auto circular = region_values_behind(read); !circular.empty()) {
      why = {*circular.begin(), "a value that nothing reads by which the encoder's own input is made"};
      return false;
    }
    const std::set<ValueId> wanted = region_values_behind(m_.graph().outputs);
    const Node* first = wanted.size() == 1 ? first_row_reader(m_, *wanted.begin()) : nullptr;
    RowEncoder& encoder = region_.encoder;
    encoder.first_row_only = first != nullptr && !encoder.all_rows &&
                             placer_.program_of(*wanted.begin()) == encoder.attentions.back().program + 1;
    for (ValueId id : wanted) {
      const RowPlacer::Placed& placed = placer_.placed().at(id);
      placer_.writer().write(placed.program, StoreRows{region_.outputs.size(), placed.view});
      region_.outputs.push_back(encoder.first_row_only ? first->output(0) : id);
      encoder.outputs.push_back({probe_.type(id), placed.view.width});
    }
    return true;
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  std::span<const AttentionPattern> attentions_;
  RowGraph rows_;
  RowRegion region_;
  std::shared_ptr<const RelativePlaces> places_;  // that attentions share
  std::vector<std::size_t> found_;                // attentions in the order in which they are run
  std::map<ValueId, std::size_t> context_;        // to the attention that makes it
  std::set<ValueId> known_;                       // all contexts
  std::set<ValueId> needed_;                      // values that operations make
  RowPlacer placer_;
};

}  // namespace

bool padding_counts(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.is("DynamicQuantizeLinear") || node.is("DynamicQuantizeMatMul", engine::kMicrosoft);
  });
}

std::size_t count_together(const Matcher& m, const ShapeProbe& probe, std::span<const AttentionPattern> attentions,
                           Mismatch& why) {
  const RowGraph rows = row_graph(m, probe, attentions[0]);
  const auto& shape = *probe.shape(attentions[0].query);
  std::set<ValueId> contexts;
  for (std::size_t i = 0; i < attentions.size(); ++i) {
    const AttentionPattern& a = attentions[i];
    const auto& own = *probe.shape(a.query);
    if (own[0] != shape[0] || own[1] != shape[1] || !same_mask(a, attentions[0])) {
      why = {a.query, "queries of the same rows under the same mask as before"};
      return i;
    }
    const std::set<ValueId> foreign = rows.behind(contexts);
    std::vector<ValueId> read = {a.query, a.key, a.value, a.mask};
    read.insert(read.end(), a.score_inputs.begin(), a.score_inputs.end());
    for (std::size_t r = 0; r < read.size(); ++r) {
      const ValueId id = read[r];
      const bool is_mask = r >= 3;
      const std::set<ValueId> sources = is_mask ? std::set<ValueId>{id} : rows.sources(id, contexts);
      for (ValueId source : sources) {
        const bool closed = contexts.contains(source) || !foreign.contains(source);
        if (closed && (is_mask || rows.broadcast_width(source) != 0)) continue;
        why = {source, "an operation on each row alone"};
        return i;
      }
      if (!is_mask && !rows.is_projected(id, contexts)) {
        why = {id, "rows that a Linear makes"};
        return i;
      }
    }
    contexts.insert(a.context);
  }
  return attentions.size();
}

const Node* unfinished_at(const Matcher& m, const ShapeProbe& probe, const RowRegion& region) {
  std::set<ValueId> behind(region.outputs.begin(), region.outputs.end());
  const Node* first = nullptr;
  for (const Node& node : m.graph().nodes) {
    const bool reads =
        std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return behind.contains(id); });
    const bool inside =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return region.inside.contains(id); });
    if (!reads || inside) continue;
    if (is_attention_softmax(probe, node)) break;  // the next layer's
    if (first == nullptr) first = &node;
    const bool sum = is_sum_of_activations(m, &node) && probe.rank(node.output(0)) == 3;
    const bool norm = (node.is("LayerNormalization") || node.is("LayerNormalizationSteps", kSesame)) &&
                      is_sum_of_activations(m, m.uses().producer(node.input(0)));
    if (sum || norm) return first;
    behind.insert(node.outputs.begin(), node.outputs.end());
  }
  return nullptr;
}

std::optional<RowRegion> compile_rows(const Matcher& m, const ShapeProbe& probe,
                                      std::span<const AttentionPattern> attentions, AttentionPrecision precision,
                                      Mismatch& why) {
  return RowCompiler(m, probe, attentions).run(precision, why);
}

}  // namespace sesame::models
