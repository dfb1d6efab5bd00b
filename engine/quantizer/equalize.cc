#include "engine/quantizer/equalize.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/linear.h"

namespace sesame::engine {

namespace {

enum class Side { rows, columns };  // of W [K, N]

// Calls fn(channel, element) for every element of the weight, channel being its row or column.
template <class Fn>
void for_each_element(const LinearWeights& w, Side side, float* data, Fn fn) {
  const auto lines = static_cast<std::size_t>(w.weight.dim(0)), width = static_cast<std::size_t>(w.weight.dim(1));
  const bool by_line = (side == Side::rows) != w.transposed;
  for (std::size_t i = 0; i < lines; ++i) {
    for (std::size_t j = 0; j < width; ++j) fn(by_line ? i : j, data[i * width + j]);
  }
}

std::vector<float> largest(const LinearWeights& w, Side side) {
  std::vector<float> most(side == Side::rows ? w.in_features() : w.out_features(), 0.0f);
  for_each_element(w, side, w.weight.data<float>(),
                   [&](std::size_t c, float& x) { most[c] = std::max(most[c], std::fabs(x)); });
  return most;
}

std::vector<float> factors(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> f(a.size(), 1.0f);
  for (std::size_t c = 0; c < f.size(); ++c) {
    const float ratio = std::sqrt(a[c]) / std::sqrt(b[c]);
    if (ratio > 0 && std::isfinite(ratio)) f[c] = ratio;
  }
  return f;
}

std::vector<float> inverse(std::vector<float> f) {
  for (float& x : f) x = 1 / x;
  return f;
}

// The node reads a copy of its weight, and of its bias where columns are meant, with each channel times its factor.
void scale(Graph& graph, Node& node, Side side, const std::vector<float>& factor) {
  LinearWeights w = linear_weights(graph, node);
  Tensor weight = w.weight.clone();
  for_each_element(w, side, weight.data<float>(), [&](std::size_t c, float& x) { x *= factor[c]; });
  node.inputs[1] = graph.add_constant(graph.value(node.inputs[1]).name, weight);
  if (side == Side::rows || !w.bias) return;
  Tensor bias = w.bias.clone();
  for (std::size_t c = 0; c < factor.size(); ++c) bias.data<float>()[c] *= factor[c];
  node.inputs[2] = graph.add_constant(graph.value(node.inputs[2]).name, bias);
}

std::vector<ValueId> constants_of(const Node& node) { return {node.input(1), node.input(2)}; }

void set_constants(Node& node, const std::vector<ValueId>& ids) {
  std::copy_n(ids.begin(), node.inputs.size() - 1, node.inputs.begin() + 1);
}

}  // namespace

bool Equalizer::reuse(std::map<Key, Inputs>& done, Node& first, Node& second) {
  const auto it = done.find({constants_of(first), constants_of(second)});
  if (it == done.end()) return false;
  set_constants(first, it->second.first);
  set_constants(second, it->second.second);
  return true;
}

void Equalizer::fold_into_rows(Node& maker, Node& taker) {
  const Key key{constants_of(maker), constants_of(taker)};
  if (reuse(into_rows_, maker, taker)) return;
  const std::vector<float> f = factors(largest(linear_weights(graph_, maker), Side::columns),
                                       largest(linear_weights(graph_, taker), Side::rows));
  scale(graph_, maker, Side::columns, inverse(f));
  scale(graph_, taker, Side::rows, f);
  into_rows_.emplace(key, Inputs{constants_of(maker), constants_of(taker)});
}

void Equalizer::fold_into_columns(Node& left, Node& right) {
  const Key key{constants_of(left), constants_of(right)};
  if (reuse(into_columns_, left, right)) return;
  const std::vector<float> f = factors(largest(linear_weights(graph_, left), Side::columns),
                                       largest(linear_weights(graph_, right), Side::columns));
  scale(graph_, left, Side::columns, inverse(f));
  scale(graph_, right, Side::columns, f);
  into_columns_.emplace(key, Inputs{constants_of(left), constants_of(right)});
}

}  // namespace sesame::engine
