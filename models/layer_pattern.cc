#include "models/layer_pattern.h"

#include <utility>

#include "engine/linear_scheme.h"

namespace sesame::models {

using engine::kNoValue;
using engine::kSesame;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

std::vector<const Node*> readers_of(const Matcher& m, ValueId id) {
  std::vector<const Node*> out;
  for (int n : m.uses().readers(id)) out.push_back(&m.graph().nodes[static_cast<std::size_t>(n)]);
  return out;
}

class LayerMatch {
 public:
  LayerMatch(const Matcher& m, const ShapeProbe& probe, const AttentionPattern& attention, Mismatch& why)
      : m_(m), probe_(probe), why_(why) {
    layer_.attention = attention;
  }

  std::optional<LayerPattern> run() {
    if (!match_projections()) return std::nullopt;
    const ValueId attended = residual_norm(layer_.attention.context, layer_.input, layer_.attn_out, layer_.attn_norm);
    if (attended == kNoValue || !match_feed_forward(attended)) return std::nullopt;
    layer_.output = residual_norm(layer_.activation->output(0), attended, layer_.ffn_out, layer_.ffn_norm);
    if (layer_.output == kNoValue || !check_sizes() || !check_schemes()) return std::nullopt;
    return layer_;
  }

 private:
  bool fail(ValueId at, std::string expected) {
    why_ = {at, std::move(expected)};
    return false;
  }

  // The probe knows the output's shape only if every product on the way fits.
  bool check_sizes() {
    const auto& input = probe_.shape(layer_.input);
    const auto& output = probe_.shape(layer_.output);
    if (output && *output == *input) return true;
    return fail(layer_.output, "a hidden state of the layer's own shape");
  }

  // A layer makes and quantizes its rows block by block, once for queries, keys and values.
  bool check_schemes() {
    const engine::LinearScheme query = engine::linear_scheme(*layer_.query);
    for (const Node* node : {layer_.key, layer_.value}) {
      if (!engine::same_rows(query, engine::linear_scheme(*node))) {
        return fail(node->output(0), "a Linear that reads its rows as the queries' does");
      }
    }
    for (const Node* node : {layer_.query, layer_.attn_out, layer_.ffn_in, layer_.ffn_out}) {
      const engine::LinearScheme scheme = engine::linear_scheme(*node);
      if (scheme.precision == engine::LinearPrecision::int8 && scheme.rows == engine::RowGrid::per_tensor) {
        return fail(node->output(0), "a Linear whose rows are quantized without knowing all of them");
      }
    }
    return true;
  }

  bool match_projections() {
    const AttentionPattern& a = layer_.attention;
    layer_.query = m_.made_by(a.query, "Linear", kSesame);
    layer_.key = m_.made_by(a.key, "Linear", kSesame);
    layer_.value = m_.made_by(a.value, "Linear", kSesame);
    if (layer_.query == nullptr) return fail(a.query, "a Linear that makes the queries");
    if (layer_.key == nullptr) return fail(a.key, "a Linear that makes the keys");
    if (layer_.value == nullptr) return fail(a.value, "a Linear that makes the values");
    layer_.input = layer_.query->input(0);
    if (layer_.key->input(0) != layer_.input) return fail(a.key, "a Linear of the same input as the queries'");
    if (layer_.value->input(0) != layer_.input) return fail(a.value, "a Linear of the same input as the queries'");
    const auto& input = probe_.shape(layer_.input);
    const auto& query = probe_.shape(a.query);
    if (!input || !query || *input != *query) return fail(layer_.input, "a hidden state as wide as all heads together");
    return true;
  }

  // LayerNormalization(residual + Linear(x)): its output, and the two nodes.
  ValueId residual_norm(ValueId x, ValueId residual, const Node*& linear, const Node*& norm) {
    linear = only_reader(x, "Linear", kSesame);
    if (linear == nullptr) {
      fail(x, "one Linear that reads this");
      return kNoValue;
    }
    const ValueId y = linear->output(0);
    const Node* add = only_reader(y, "Add");
    if (add == nullptr || Matcher::other_operand(*add, y) != residual || probe_.shape(y) != probe_.shape(residual)) {
      fail(y, "the residual Add of the layer's input, of the same shape");
      return kNoValue;
    }
    norm = only_reader(add->output(0), "LayerNormalization");
    if (norm == nullptr || !is_affine_norm(*norm)) {
      fail(add->output(0), "one LayerNormalization over the last axis that reads this");
      return kNoValue;
    }
    return norm->output(0);
  }

  bool match_feed_forward(ValueId attended) {
    for (const Node* node : readers_of(m_, attended)) {
      if (node->is("Linear", kSesame)) layer_.ffn_in = node;
    }
    if (layer_.ffn_in == nullptr) return fail(attended, "a Linear that reads this");
    const auto readers = readers_of(m_, layer_.ffn_in->output(0));
    const bool one = readers.size() == 1 && !m_.uses().is_graph_output(layer_.ffn_in->output(0));
    if (!one || !is_activation(*readers[0])) {
      return fail(layer_.ffn_in->output(0), "one Gelu or Relu that reads this");
    }
    layer_.activation = readers[0];
    return true;
  }

  const Node* only_reader(ValueId id, std::string_view op, std::string_view domain = engine::kOnnx) const {
    const auto readers = readers_of(m_, id);
    const bool one = readers.size() == 1 && !m_.uses().is_graph_output(id);
    return one && readers[0]->is(op, domain) ? readers[0] : nullptr;
  }

  static bool is_activation(const Node& node) {
    if (node.is("Relu")) return true;
    if (!node.is("Gelu")) return false;
    const std::string approximate = node.attributes.text("approximate", "none");
    return approximate == "none" || approximate == "tanh";
  }

  bool is_affine_norm(const Node& norm) const { return models::is_affine_norm(m_, probe_, norm); }

  const Matcher& m_;
  const ShapeProbe& probe_;
  Mismatch& why_;
  LayerPattern layer_;
};

// Whether a probed shape, aligned to the right, broadcasts to [batch, length(, hidden)].
bool lies_along(const engine::ProbedShape& shape, const engine::ProbedShape& rows) {
  if (shape.size() > rows.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto& have = shape[shape.size() - 1 - i];
    if (!have.is(1) && !(have == rows[rows.size() - 1 - i])) return false;
  }
  return true;
}

// Embeddings have three or four addends. A sum of more nested ones may be a hostile file's: 2^n of them in n nodes.
constexpr int kMaxNestedAdds = 6;

bool add_addends(const Matcher& m, const ShapeProbe& probe, ValueId id, const engine::ProbedShape& rows, int depth,
                 EmbeddingsPattern& out) {
  const Node* node = m.uses().producer(id);
  if (node != nullptr && node->is("Add")) {
    return depth < kMaxNestedAdds && add_addends(m, probe, node->input(0), rows, depth + 1, out) &&
           add_addends(m, probe, node->input(1), rows, depth + 1, out);
  }
  if (const auto lookup = node == nullptr ? std::nullopt : engine::row_lookup(m.graph(), *node)) {
    const auto& ids = probe.shape(lookup->ids);
    if (rows[2].is(lookup->table.width()) && ids && lies_along(*ids, {rows[0], rows[1]})) {
      out.addends.push_back({lookup->table, lookup->ids});
      return true;
    }
  }
  const auto& shape = probe.shape(id);
  if (!shape || shape->empty() || !(shape->back() == rows[2]) || !lies_along(*shape, rows)) return false;
  out.addends.push_back({{}, id});
  return true;
}

// The operand of a Mul that is a float a row.
ValueId row_factor(const Matcher& m, const ShapeProbe& probe, ValueId hidden) {
  const Node* product = m.made_by(hidden, "Mul");
  const auto& rows = probe.shape(hidden);
  if (product == nullptr || product->inputs.size() != 2 || !rows || rows->size() != 3) return kNoValue;
  for (ValueId id : product->inputs) {
    const auto& shape = probe.shape(id);
    if (!shape || m.graph().is_constant(id) || probe.type(id) != engine::DType::f32) continue;
    if (shape->size() == 3 && (*shape)[0] == (*rows)[0] && (*shape)[1] == (*rows)[1] && (*shape)[2].is(1)) return id;
  }
  return kNoValue;
}

}  // namespace

bool is_affine_norm(const Matcher& m, const ShapeProbe& probe, const Node& norm) {
  const auto& shape = probe.shape(norm.input(0));
  const bool is_norm = norm.is("LayerNormalization") || norm.is("LayerNormalizationSteps", kSesame);
  if (!is_norm || norm.outputs.size() != 1 || !shape || shape->size() != 3) return false;
  const std::int64_t axis = norm.attributes.integer("axis", -1);
  const std::int64_t hidden = shape->back().is_constant() ? shape->back().first : 0;
  return (axis == -1 || axis == 2) && hidden > 0 && m.is_vector(norm.input(1), hidden) &&
         m.is_vector(norm.input(2), hidden);
}

const Node* first_row_reader(const Matcher& m, ValueId hidden) {
  const Node* found = nullptr;
  if (m.uses().is_graph_output(hidden)) return nullptr;
  for (int n : m.uses().readers(hidden)) {
    const Node& node = m.graph().nodes[static_cast<std::size_t>(n)];
    if (found != nullptr || !node.is("Gather") || node.attributes.integer("axis", 0) != 1) return nullptr;
    const engine::Tensor& index = m.graph().constant(node.input(1));
    const bool integer = index && (index.type() == engine::DType::i64 || index.type() == engine::DType::i32);
    if (!integer || index.rank() != 0 || engine::to_int64s(index)[0] != 0 || node.output(0) == kNoValue) return nullptr;
    found = &node;
  }
  return found;
}

std::optional<LayerPattern> match_layer(const Matcher& m, const ShapeProbe& probe, const AttentionPattern& attention,
                                        Mismatch& why) {
  return LayerMatch(m, probe, attention, why).run();
}

EmbeddingsPattern match_embeddings(const Matcher& m, const ShapeProbe& probe, ValueId hidden) {
  EmbeddingsPattern pattern;
  const auto& rows = probe.shape(hidden);
  pattern.factor = row_factor(m, probe, hidden);
  const Node* product = pattern.factor == kNoValue ? nullptr : m.uses().producer(hidden);
  const ValueId normed = product ? Matcher::other_operand(*product, pattern.factor) : hidden;
  const Node* norm = m.made_by(normed, "LayerNormalization");
  const bool is_norm = norm != nullptr && rows && rows->size() == 3 && is_affine_norm(m, probe, *norm);
  if (is_norm && add_addends(m, probe, norm->input(0), *rows, 0, pattern)) {
    bool any_table = false;
    for (const auto& addend : pattern.addends) any_table |= static_cast<bool>(addend.table);
    if (any_table) {
      pattern.norm = norm;
      return pattern;
    }
  }
  return {{{{}, hidden}}, nullptr, kNoValue};
}

}  // namespace sesame::models
