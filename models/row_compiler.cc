#include "models/row_compiler.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/linear.h"
#include "models/layer_pattern.h"
#include "models/row_graph.h"
#include "models/row_writer.h"

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

bool is_sum_of_activations(const Matcher& m, const Node* node) {
  return node != nullptr && node->is("Add") && !m.graph().is_constant(node->input(0)) &&
         !m.graph().is_constant(node->input(1));
}

bool same_mask(const AttentionPattern& a, const AttentionPattern& b) {
  const Mask& x = a.mask_meaning;
  const Mask& y = b.mask_meaning;
  return a.mask == b.mask && x.kind == y.kind && x.fill == y.fill && x.masked_queries == y.masked_queries;
}

// Whether the attention is one of rows and keys alone.
bool is_plain(const AttentionPattern& a) {
  const MaskedQueries queries = a.mask_meaning.masked_queries;
  return !a.relative && !a.pair_mask &&
         (queries == MaskedQueries::as_others || queries == MaskedQueries::zero_where_nan);
}

bool is_activation(const Node& node) { return node.is("Gelu") || node.is("Relu") || node.is("Tanh"); }

kernels::Activation activation_of(const Node& node) {
  if (node.is("Relu")) return kernels::Activation::relu;
  if (node.is("Tanh")) return kernels::Activation::tanh;
  return node.attributes.text("approximate", "none") == "tanh" ? kernels::Activation::gelu_tanh
                                                               : kernels::Activation::gelu_erf;
}

class RowCompiler {
 public:
  RowCompiler(const Matcher& m, const ShapeProbe& probe, std::span<const AttentionPattern> attentions)
      : m_(m),
        probe_(probe),
        attentions_(attentions),
        rows_(row_graph(m, probe, attentions[0])),
        writer_(attentions.size() + 1) {
    for (std::size_t i = 0; i < attentions.size(); ++i) {
      context_[attentions[i].context] = i;
      known_.insert(attentions[i].context);
    }
  }

  std::optional<RowRegion> run(AttentionPrecision precision, Mismatch& why) {
    find_needed();
    for (const auto& [id, attention] : context_) {
      placed_[id] = {writer_.new_rows(rows_.width(id)), attention + 1};
    }
    for (const Node& node : m_.graph().nodes) {
      if (is_needed(node)) place(node);
    }
    add_attentions(precision);
    if (!add_outputs(why)) return std::nullopt;
    region_.encoder.mask = ragged_mask(attentions_[0]);
    region_.mask = attentions_[0].mask_meaning;
    if (attentions_[0].mask != kNoValue) region_.inputs.push_back(attentions_[0].mask);
    for (const auto& [id, placed] : placed_) region_.inside.insert(id);
    for (const AttentionPattern& a : attentions_) region_.inside.insert(a.softmax);
    writer_.finish(region_.encoder);
    return std::move(region_);
  }

 private:
  struct Placed {
    RowView view;
    std::size_t program = 0;  // that makes it
  };

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
      if (is_residual_sum(node)) need(with_norm(node.output(0)));
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

  bool is_residual_sum(const Node& node) const { return is_sum_of_activations(m_, &node); }

  // The norm that reads a sum, or the scale and shift that alone do; else the sum.
  ValueId with_norm(ValueId sum) const {
    for (int n : m_.uses().readers(sum)) {
      if (node_at(n).is("LayerNormalization") && rows_.operands(node_at(n))) return node_at(n).output(0);
    }
    for (int step = 0; step < 2 && m_.uses().has_one_reader(sum); ++step) {
      const Node& reader = node_at(m_.uses().readers(sum)[0]);
      const bool affine = (reader.is("Mul") || reader.is("Add")) && m_.constant_operand(reader);
      if (!affine || !rows_.operands(reader)) break;
      sum = reader.output(0);
    }
    return sum;
  }

  // --- Where values are ---

  std::size_t program_of(ValueId id) const {
    const auto it = placed_.find(id);
    return it == placed_.end() ? 0 : it->second.program;
  }

  std::size_t program_of(const std::vector<ValueId>& operands) const {
    std::size_t program = 0;
    for (ValueId id : operands) program = std::max(program, program_of(id));
    return program;
  }

  // The rows of a value for an operation of `program`; those from outside are loaded there.
  RowView view(ValueId id, std::size_t program) {
    if (const auto it = placed_.find(id); it != placed_.end()) return it->second.view;
    const auto [it, is_new] = loaded_.try_emplace({id, program});
    if (!is_new) return it->second;
    LoadRows load;
    load.out = it->second = writer_.new_rows(rows_.broadcast_width(id));
    const auto lookup = table_lookup(id);
    if (lookup) load.table = lookup->table;
    load.input = input_of(lookup ? lookup->ids : id, lookup.has_value(), load.out.width);
    writer_.write(program, std::move(load));
    return it->second;
  }

  std::optional<engine::RowLookup> table_lookup(ValueId id) const {
    const Node* node = m_.uses().producer(id);
    auto lookup = node == nullptr ? std::nullopt : engine::row_lookup(m_.graph(), *node);
    if (!lookup) return std::nullopt;
    const auto& ids = probe_.shape(lookup->ids);
    const auto& out = probe_.shape(id);
    return ids && ids->size() <= 2 && out && out->size() == ids->size() + 1 ? lookup : std::nullopt;
  }

  std::size_t input_of(ValueId id, bool is_table, std::size_t width) {
    auto& inputs = region_.inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const RowEncoder::Input& input = region_.encoder.inputs[i];
      if (inputs[i] == id && input.is_table == is_table && input.width == width) return i;
    }
    inputs.push_back(id);
    region_.encoder.inputs.push_back({is_table, width});
    return inputs.size() - 1;
  }

  // --- Operations ---

  // Whether the node's result goes into its only reader's operation.
  bool is_deferred(const Node& node) const {
    const ValueId out = node.output(0);
    if (!m_.uses().has_one_reader(out)) return false;
    const Node& reader = node_at(m_.uses().readers(out)[0]);
    if (!is_needed(reader) || !rows_.operands(reader)) return false;
    if (node.is("Mul") && m_.constant_operand(node)) return reader.is("Add") && m_.constant_operand(reader);
    if (!node.is("Linear", kSesame)) return false;
    if (is_activation(reader)) return true;
    if (!is_residual_sum(reader)) return false;
    // Of two Linears the second takes the first as its residual.
    const Node* second = m_.made_by(reader.input(1), "Linear", kSesame);
    return second == &node || second == nullptr || !m_.uses().has_one_reader(reader.input(1));
  }

  const Node* deferred(ValueId id, std::string_view op, std::string_view domain = engine::kOnnx) const {
    const Node* node = m_.made_by(id, op, domain);
    return node != nullptr && needed_.contains(id) && is_deferred(*node) ? node : nullptr;
  }

  void place(const Node& node) {
    if (is_deferred(node)) return;
    if (node.is("Linear", kSesame)) return place_linear(node, node, kNoValue);
    if (is_activation(node)) return place_activation(node);
    if (node.is("LayerNormalization")) return place_norm(node);
    if (node.is("Split")) return place_split(node);
    if (node.is("Slice")) return place_columns(node.output(0), node.input(0), *rows_.slice_begin(node));
    if (node.is("Concat")) return place_concat(node);
    if (node.is("Div") || m_.constant_operand(node)) return place_affine(node);
    if (node.is("Add")) {
      for (std::size_t i : {1u, 0u}) {
        const Node* linear = deferred(node.input(i), "Linear", kSesame);
        if (linear != nullptr) return place_linear(*linear, node, node.input(1 - i));
      }
    }
    place_pair(node);
  }

  // What `last` makes: the Linear itself, its activation, or its sum with a residual.
  void place_linear(const Node& node, const Node& last, ValueId residual) {
    LinearRows op;
    const std::size_t program = std::max(program_of(node.input(0)), program_of(residual));
    op.x = view(node.input(0), program);
    if (is_activation(last)) op.activation = activation_of(last);
    op.adds_residual = residual != kNoValue;
    if (op.adds_residual) op.residual = view(residual, program);
    op.out = new_value(last.output(0), program);
    writer_.write_linear(program, std::move(op), engine::linear_weights(m_.graph(), node), engine::linear_scheme(node));
  }

  void place_activation(const Node& node) {
    if (const Node* linear = deferred(node.input(0), "Linear", kSesame)) return place_linear(*linear, node, kNoValue);
    const std::size_t program = program_of(node.input(0));
    const RowView x = view(node.input(0), program);
    writer_.write(program, ActivateRows{activation_of(node), x, new_value(node.output(0), program)});
  }

  void place_norm(const Node& node) {
    const std::size_t program = program_of(node.input(0));
    const RowView x = view(node.input(0), program);
    LayerNorm norm{m_.graph().constant(node.input(1)), m_.graph().constant(node.input(2)),
                   node.attributes.real("epsilon", 1e-5f)};
    writer_.write(program, NormRows{std::move(norm), x, new_value(node.output(0), program)});
  }

  void place_split(const Node& node) {
    std::size_t begin = 0;
    for (ValueId id : node.outputs) {
      place_columns(id, node.input(0), begin);
      begin += rows_.width(id);
    }
  }

  void place_columns(ValueId id, ValueId of, std::size_t begin) {
    const std::size_t program = program_of(of);
    RowView columns = view(of, program);
    columns.column += begin;
    columns.width = rows_.width(id);
    placed_[id] = {columns, program};
  }

  void place_concat(const Node& node) {
    const std::size_t program = program_of(node.inputs);
    RowView out = new_value(node.output(0), program);
    for (ValueId id : node.inputs) {
      out.width = rows_.width(id);
      writer_.write(program, CopyRows{view(id, program), out});
      out.column += out.width;
    }
  }

  // A constant for each feature, inverted for a division.
  Tensor features(ValueId constant, std::size_t width, bool inverted) const {
    const Tensor& t = m_.graph().constant(constant);
    const Tensor all = Tensor::allocate(DType::f32, {static_cast<std::int64_t>(width)});
    for (std::size_t n = 0; n < width; ++n) {
      const float value = t.data<float>()[t.size() == 1 ? 0 : n];
      all.data<float>()[n] = inverted ? 1 / value : value;
    }
    return all;
  }

  void place_affine(const Node& node) {
    const std::size_t width = rows_.width(node.output(0));
    const Node* mul = node.is("Mul") || node.is("Div") ? &node : nullptr;
    AffineRows op;
    ValueId x = mul != nullptr ? kNoValue : m_.constant_operand(node)->other;
    if (mul == nullptr) {
      op.shift = features(m_.constant_operand(node)->constant, width, false);
      mul = deferred(x, "Mul");
    }
    if (mul != nullptr) {
      const auto split = mul->is("Div") ? Matcher::Split{mul->input(1), mul->input(0)} : *m_.constant_operand(*mul);
      op.scale = features(split.constant, width, mul->is("Div"));
      x = split.other;
    }
    const std::size_t program = program_of(x);
    op.x = view(x, program);
    op.out = new_value(node.output(0), program);
    writer_.write(program, std::move(op));
  }

  void place_pair(const Node& node) {
    const std::size_t program = program_of(node.inputs);
    const RowView x = view(node.input(0), program), y = view(node.input(1), program);
    writer_.write(program, CombineRows{node.is("Mul"), x, y, new_value(node.output(0), program)});
  }

  RowView new_value(ValueId id, std::size_t program) {
    const RowView view = writer_.new_rows(rows_.width(id));
    placed_[id] = {view, program};
    return view;
  }

  // --- The region's border ---

  void add_attentions(AttentionPrecision precision) {
    for (std::size_t i = 0; i < attentions_.size(); ++i) {
      const AttentionPattern& a = attentions_[i];
      region_.encoder.attentions.push_back({a.heads, a.head_dim, a.scale, precision, view(a.query, i), view(a.key, i),
                                            view(a.value, i), view(a.context, i + 1)});
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
      if (placed_.contains(id)) {
        found.insert(id);
      } else if (const Node* node = m_.uses().producer(id)) {
        open.insert(open.end(), node->inputs.begin(), node->inputs.end());
      }
    }
    return found;
  }

  bool add_outputs(Mismatch& why) {
    std::vector<ValueId> read = region_.inputs;
    read.push_back(attentions_[0].mask);
    if (const auto circular = region_values_behind(read); !circular.empty()) {
      why = {*circular.begin(), "a value that nothing reads by which the encoder's own input is made"};
      return false;
    }
    const std::set<ValueId> wanted = region_values_behind(m_.graph().outputs);
    const Node* first = wanted.size() == 1 ? first_row_reader(m_, *wanted.begin()) : nullptr;
    region_.encoder.first_row_only = first != nullptr && program_of(*wanted.begin()) == attentions_.size();
    for (ValueId id : wanted) {
      const Placed& placed = placed_.at(id);
      writer_.write(placed.program, StoreRows{region_.outputs.size(), placed.view});
      region_.outputs.push_back(region_.encoder.first_row_only ? first->output(0) : id);
      region_.encoder.outputs.push_back(placed.view.width);
    }
    return true;
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  std::span<const AttentionPattern> attentions_;
  RowGraph rows_;
  RowWriter writer_;
  RowRegion region_;
  std::map<ValueId, std::size_t> context_;  // to the attention that makes it
  std::set<ValueId> known_;                 // all contexts
  std::set<ValueId> needed_;                // values that operations make
  std::map<ValueId, Placed> placed_;
  std::map<std::pair<ValueId, std::size_t>, RowView> loaded_;  // in which program
};

}  // namespace

std::size_t count_together(const Matcher& m, const ShapeProbe& probe, std::span<const AttentionPattern> attentions) {
  const RowGraph rows = row_graph(m, probe, attentions[0]);
  const auto& shape = *probe.shape(attentions[0].query);
  std::set<ValueId> contexts;
  for (std::size_t i = 0; i < attentions.size(); ++i) {
    const AttentionPattern& a = attentions[i];
    const auto& own = *probe.shape(a.query);
    if (own[0] != shape[0] || own[1] != shape[1] || !same_mask(a, attentions[0]) || !is_plain(a)) return i;
    const std::set<ValueId> foreign = rows.behind(contexts);
    for (ValueId id : {a.query, a.key, a.value, a.mask}) {
      const std::set<ValueId> sources = id == a.mask ? std::set<ValueId>{id} : rows.sources(id, contexts);
      const bool closed = std::none_of(sources.begin(), sources.end(), [&](ValueId source) {
        return !contexts.contains(source) && foreign.contains(source);
      });
      const bool loadable = id == a.mask || std::all_of(sources.begin(), sources.end(), [&](ValueId source) {
                              return rows.broadcast_width(source) != 0;
                            });
      if (!closed || !loadable || (id != a.mask && !rows.is_projected(id, contexts))) return i;
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
    if (node.is("Softmax") && probe.rank(node.output(0)) == 4) break;  // the next layer's
    if (first == nullptr) first = &node;
    const bool sum = is_sum_of_activations(m, &node) && probe.rank(node.output(0)) == 3;
    const bool norm = node.is("LayerNormalization") && is_sum_of_activations(m, m.uses().producer(node.input(0)));
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
