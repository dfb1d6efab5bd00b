#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"

namespace sesame::engine {

namespace {

constexpr float kSqrtHalf = 0.70710678f;
constexpr float kSqrt2OverPi = 0.79788456f;

// A product of scalars and values, flattened: Mul and Div by constants, Mul of values.
struct Factors {
  double scale = 1;
  std::vector<ValueId> values;
};

void flatten_product(const Matcher& m, ValueId id, Factors& out, int depth) {
  const Node* node = depth > 0 ? m.uses().producer(id) : nullptr;
  if (node != nullptr && node->is("Mul") && node->inputs.size() == 2) {
    for (ValueId operand : node->inputs) {
      if (const auto s = m.scalar(operand)) {
        out.scale *= *s;
      } else {
        flatten_product(m, operand, out, depth - 1);
      }
    }
  } else if (node != nullptr && node->is("Div") && m.scalar(node->input(1))) {
    out.scale /= *m.scalar(node->input(1));
    flatten_product(m, node->input(0), out, depth - 1);
  } else {
    out.values.push_back(id);
  }
}

Factors factors(const Matcher& m, ValueId id, int depth = 4) {
  Factors out;
  flatten_product(m, id, out, depth);
  return out;
}

bool near(double x, double want) { return std::fabs(x - want) <= 1e-5 * std::fabs(want); }

// Whether `id` is scale * x.
bool is_scaled(const Matcher& m, ValueId id, ValueId x, double scale) {
  const Factors f = factors(m, id);
  return f.values.size() == 1 && f.values[0] == x && near(f.scale, scale);
}

// Whether `id` is x^3 times some scale, which is returned.
std::optional<double> cubed(const Matcher& m, ValueId id, ValueId x) {
  const Factors f = factors(m, id);
  if (f.values.size() == 3 && f.values[0] == x && f.values[1] == x && f.values[2] == x) return f.scale;
  if (f.values.size() != 1) return std::nullopt;
  const Node* pow = m.made_by(f.values[0], "Pow");
  return pow && pow->input(0) == x && m.is_scalar(pow->input(1), 3) ? std::optional(f.scale) : std::nullopt;
}

// sqrt(2/pi) (x + 0.044715 x^3)
bool is_tanh_argument(const Matcher& m, ValueId id, ValueId x) {
  const Factors f = factors(m, id);
  if (f.values.size() == 2) {  // x (sqrt(2/pi) + c x^2) and the like: sqrt(2/pi) x (1 + 0.044715 x x)
    for (std::size_t i = 0; i < 2; ++i) {
      const Node* add = f.values[i] == x ? m.made_by(f.values[1 - i], "Add") : nullptr;
      const auto split = add ? m.constant_operand(*add) : std::nullopt;
      if (!split || !m.is_scalar(split->constant, 1)) continue;
      const Factors g = factors(m, split->other);
      const bool square = g.values.size() == 2 && g.values[0] == x && g.values[1] == x;
      if (square && near(g.scale, 0.044715) && near(f.scale, kSqrt2OverPi)) return true;
    }
    return false;
  }
  const Node* add = f.values.size() == 1 ? m.made_by(f.values[0], "Add") : nullptr;
  if (add == nullptr || !near(f.scale, kSqrt2OverPi)) return false;
  const ValueId cubic = Matcher::other_operand(*add, x);
  const auto c = cubic == kNoValue ? std::nullopt : cubed(m, cubic, x);
  return c && near(*c, 0.044715);
}

struct Gelu {
  ValueId x;
  const char* approximate;
};

// The Gelu of which `bell` is the factor 1 + erf(..) or 1 + tanh(..), and the rest of the product is 0.5 x.
std::optional<Gelu> match_bell(const Matcher& m, ValueId bell, ValueId x) {
  const Node* add = m.made_by(bell, "Add");
  const auto split = add ? m.constant_operand(*add) : std::nullopt;
  if (!split || !m.is_scalar(split->constant, 1)) return std::nullopt;
  if (const Node* erf = m.made_by(split->other, "Erf")) {
    if (is_scaled(m, erf->input(0), x, kSqrtHalf)) return Gelu{x, "none"};
  }
  if (const Node* tanh = m.made_by(split->other, "Tanh")) {
    if (is_tanh_argument(m, tanh->input(0), x)) return Gelu{x, "tanh"};
  }
  return std::nullopt;
}

std::optional<Gelu> match_gelu(const Matcher& m, const Node& node) {
  if (!node.is("Mul")) return std::nullopt;
  const Factors f = factors(m, node.output(0));
  if (f.values.size() != 2 || !near(f.scale, 0.5)) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i) {
    if (auto gelu = match_bell(m, f.values[1 - i], f.values[i])) return gelu;
  }
  return std::nullopt;
}

}  // namespace

void form_gelus(Graph& graph) {
  const Matcher m(graph);
  std::vector<std::pair<std::size_t, Gelu>> found;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (const auto gelu = match_gelu(m, graph.nodes[n])) found.emplace_back(n, *gelu);
  }
  for (const auto& [n, gelu] : found) {
    Node& node = graph.nodes[n];
    node.op = "Gelu";
    node.version = 20;
    node.inputs = {gelu.x};
    node.attributes = {};
    node.attributes.set("approximate", std::string(gelu.approximate));
  }
  remove_dead_nodes(graph);
}

}  // namespace sesame::engine
