#include "engine/shape_probe.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "engine/shape_pass.h"

namespace sesame::engine {

namespace {

// Small, since position tables may be, and distinct: none is a multiple of another, or of another's neighbour, at both
// sizes.
constexpr ProbedDim kSymbols[] = {{3, 5}, {8, 11}, {7, 9}, {10, 13}};

// Likewise, for names that share an axis.
constexpr ProbedDim kOthers[] = {{11, 14}, {17, 19}, {23, 29}, {31, 37}};

// As much as shapes are made of, and more.
constexpr ShapePassLimits kProbing = {1 << 16, 1 << 22, std::size_t{64} << 20};
// A table of relative positions for a thousand positions is a million elements, and a dozen nodes make it.
constexpr ShapePassLimits kEvaluating = {1 << 22, 1 << 26, std::size_t{64} << 20};

std::vector<std::int64_t> sizes_of(std::span<const ProbedDim> symbols, bool second) {
  std::vector<std::int64_t> sizes;
  for (const ProbedDim& symbol : symbols) sizes.push_back(second ? symbol.second : symbol.first);
  return sizes;
}

// Whether an input has a symbolic dimension behind the first two.
bool has_further_symbols(const Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(), [&](ValueId id) {
    const auto& shape = graph.value(id).declared_shape;
    return shape && shape->size() > 2 && std::any_of(shape->begin() + 2, shape->end(), [](auto d) { return d < 0; });
  });
}

// Whether symbolic dimensions of one axis have different names.
bool has_several_names(const Graph& graph) {
  std::map<std::size_t, std::string> first;  // of an axis
  for (ValueId id : graph.inputs) {
    const auto& names = graph.value(id).declared_dim_names;
    for (std::size_t axis = 0; axis < names.size(); ++axis) {
      if (!names[axis].empty() && first.try_emplace(axis, names[axis]).first->second != names[axis]) return true;
    }
  }
  return false;
}

// Constants are the same memory in both passes: to compare them would read all weights, at each probe.
bool same_values(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.raw() == b.raw() || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

}  // namespace

ProbedDim ShapeProbe::symbol(std::size_t axis) { return kSymbols[std::min(axis, std::size(kSymbols) - 1)]; }

ShapeProbe::ShapeProbe(const Graph& graph)
    : graph_(graph),
      steps_(shape_steps(graph)),
      shapes_(graph.value_count()),
      types_(graph.value_count(), DType::f32),
      values_(graph.value_count()),
      stays_(graph.value_count()) {
  const std::span<const ProbedDim> by_axis = kSymbols, two = by_axis.first(2);
  const std::size_t known = probe(by_axis, {});
  const bool try_two = known < graph.value_count() && has_further_symbols(graph);
  const std::size_t known_by_two = try_two ? probe(two, {}) : 0;
  const bool try_others = has_several_names(graph);
  if (try_others && probe(by_axis, kOthers) >= std::max(known, known_by_two)) return;
  if (known_by_two > known) {
    if (try_others) probe(two, {});
  } else if (try_two || try_others) {
    probe(by_axis, {});
  }
}

std::size_t ShapeProbe::probe(std::span<const ProbedDim> symbols, std::span<const ProbedDim> others) {
  const auto inputs = [&](bool second) {
    return described_inputs(graph_, sizes_of(symbols, second), sizes_of(others, second));
  };
  ShapePass first(graph_, steps_, inputs(false), kProbing);
  ShapePass second(graph_, steps_, inputs(true), kProbing);
  first.run_all();
  second.run_all();
  std::size_t known = 0;
  for (std::size_t v = 0; v < shapes_.size(); ++v) {
    const Tensor& a = first.values()[v];
    const Tensor& b = second.values()[v];
    shapes_[v].reset();
    values_[v] = {};
    stays_[v] = false;
    if (!a || !b || a.rank() != b.rank()) continue;
    ++known;
    ProbedShape shape;
    for (std::size_t i = 0; i < a.rank(); ++i) shape.push_back({a.dim(i), b.dim(i)});
    shapes_[v] = std::move(shape);
    types_[v] = b.type();
    if (!a.has_data() || !b.has_data()) continue;
    values_[v] = b;
    stays_[v] = same_values(a, b);
  }
  return known;
}

Tensor ShapeProbe::value_at(ValueId id, std::int64_t batch, std::int64_t length) const {
  constexpr std::size_t kRemembered = 16;
  if (id < 0) return {};
  const auto known = std::find_if(evaluated_.begin(), evaluated_.end(), [&](const Evaluated& e) {
    return e.id == id && e.batch == batch && e.length == length;
  });
  if (known != evaluated_.end()) {
    evaluated_.splice(evaluated_.begin(), evaluated_, known);
    return known->value;
  }
  ShapePass pass(graph_, steps_, described_inputs(graph_, {batch, length}), kEvaluating);
  evaluated_.push_front({id, batch, length, pass.run_for(id)});
  if (evaluated_.size() > kRemembered) evaluated_.pop_back();
  return evaluated_.front().value;
}

}  // namespace sesame::engine
