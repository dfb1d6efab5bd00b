#include "engine/linear_scheme.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::array<std::pair<LinearPrecision, std::string_view>, 2> kPrecisions = {{
    {LinearPrecision::fp32, "fp32"},
    {LinearPrecision::int8, "int8"},
}};
constexpr std::array<std::pair<RowGrid, std::string_view>, 3> kGrids = {{
    {RowGrid::per_row, "row"},
    {RowGrid::fixed, "fixed"},
    {RowGrid::per_tensor, "tensor"},
}};

template <class T, std::size_t n>
T parse(const Node& node, std::string_view attribute, const std::array<std::pair<T, std::string_view>, n>& names) {
  const std::string text = node.attributes.text(attribute, names[0].second);
  for (const auto& [value, name] : names) {
    if (text == name) return value;
  }
  std::string known;
  for (const auto& each : names) known += (known.empty() ? "" : ", ") + std::string(each.second);
  throw Error("attribute '" + std::string(attribute) + "': expected one of " + known + ", found '" + text + "'");
}

template <class T, std::size_t n>
std::string name_of(T value, const std::array<std::pair<T, std::string_view>, n>& names) {
  return std::string(std::find_if(names.begin(), names.end(), [&](const auto& p) { return p.first == value; })->second);
}

std::int64_t integer_within(const Node& node, std::string_view name, std::int64_t otherwise, std::int64_t low,
                            std::int64_t high) {
  const std::int64_t value = node.attributes.integer(name, otherwise);
  if (value < low || value > high) {
    throw Error("attribute '" + std::string(name) + "': expected " + std::to_string(low) + " to " +
                std::to_string(high) + ", found " + std::to_string(value));
  }
  return value;
}

bool is_positive(float x) { return x > 0 && std::isfinite(x); }

Tensor multiplier_of(const Node& node) {
  if (!node.attributes.has("multiplier")) return {};
  const Tensor t = node.attributes.tensor("multiplier");
  const bool is_vector = t.type() == DType::f32 && t.rank() == 1 && t.size() > 0 && t.has_data();
  if (!is_vector || !std::all_of(t.span<float>().begin(), t.span<float>().end(), is_positive)) {
    throw Error("attribute 'multiplier': expected a vector of positive floats");
  }
  return t;
}

}  // namespace

std::string_view name(LinearPrecision precision) {
  return std::find_if(kPrecisions.begin(), kPrecisions.end(), [&](const auto& p) { return p.first == precision; })
      ->second;
}

LinearScheme linear_scheme(const Node& node) {
  LinearScheme scheme = parse(node, "precision", kPrecisions);
  scheme.weights.largest = static_cast<int>(integer_within(node, "weight_largest", 127, 1, 127));
  scheme.weights.one_scale = integer_within(node, "one_weight_scale", 0, 0, 1) != 0;
  scheme.rows = parse(node, "rows", kGrids);
  scheme.row_scale = node.attributes.real("row_scale", 1);
  scheme.row_zero_point = static_cast<std::uint8_t>(integer_within(node, "row_zero_point", 128, 0, 255));
  if (!is_positive(scheme.row_scale)) throw Error("attribute 'row_scale': expected a positive number");
  scheme.multiplier = multiplier_of(node);
  if (scheme.multiplier && scheme.rows == RowGrid::per_tensor) {
    throw Error("attribute 'multiplier': expected none where the grid is found by tensor");
  }
  return scheme;
}

void set_linear_scheme(Node& node, const LinearScheme& scheme) {
  Attributes attributes;
  for (const auto& [key, value] : node.attributes.all()) {
    const bool ours = key == "precision" || key == "rows" || key == "row_scale" || key == "row_zero_point" ||
                      key == "weight_largest" || key == "one_weight_scale" || key == "multiplier";
    if (!ours) attributes.set(key, value);
  }
  node.attributes = std::move(attributes);
  if (scheme.precision == LinearPrecision::fp32) return;
  node.attributes.set("precision", name_of(scheme.precision, kPrecisions));
  if (scheme.weights.largest != 127) node.attributes.set("weight_largest", std::int64_t{scheme.weights.largest});
  if (scheme.weights.one_scale) node.attributes.set("one_weight_scale", std::int64_t{1});
  if (scheme.rows != RowGrid::per_row) node.attributes.set("rows", name_of(scheme.rows, kGrids));
  if (scheme.rows == RowGrid::fixed) {
    node.attributes.set("row_scale", scheme.row_scale);
    node.attributes.set("row_zero_point", std::int64_t{scheme.row_zero_point});
  }
  if (scheme.multiplier) node.attributes.set("multiplier", scheme.multiplier);
}

bool same_rows(const LinearScheme& a, const LinearScheme& b) {
  const auto equal = [](const Tensor& x, const Tensor& y) {
    if (!x || !y) return !x && !y;
    return std::equal(x.span<float>().begin(), x.span<float>().end(), y.span<float>().begin(), y.span<float>().end());
  };
  if (a.precision != b.precision) return false;
  if (a.precision == LinearPrecision::fp32) return true;
  const bool fixed = a.rows == RowGrid::fixed;
  return a.rows == b.rows && (!fixed || (a.row_scale == b.row_scale && a.row_zero_point == b.row_zero_point)) &&
         equal(a.multiplier, b.multiplier);
}

}  // namespace sesame::engine
