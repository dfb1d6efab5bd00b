#include "engine/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <type_traits>

namespace sesame::engine {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class T>
auto value(T x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_float(x);
  } else {
    return x;
  }
}

template <class T>
constexpr bool kIsFloat = std::is_floating_point_v<decltype(value(T{}))>;

template <class T>
std::string text(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.9g", static_cast<double>(x));
    return buffer;
  } else {
    return std::to_string(x);
  }
}

// The distance of two elements: NaN where one is NaN or infinite and the other is not the same.
template <class T>
double distance(T got, T want) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(got) && std::isnan(want)) return 0;
    if (got == want) return 0;
    if (!std::isfinite(got) || !std::isfinite(want)) return kNaN;
    return std::fabs(static_cast<double>(got) - static_cast<double>(want));
  } else {
    return got == want ? 0 : std::max(std::fabs(static_cast<double>(got) - static_cast<double>(want)), 1.0);
  }
}

Shape position(std::int64_t place, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; place /= shape[i]) index[i] = place % shape[i];
  return index;
}

template <class T>
double largest_finite(const Tensor& t) {
  double largest = 0;
  for (T x : t.span<T>()) {
    const auto magnitude = std::fabs(static_cast<double>(value(x)));
    if (std::isfinite(magnitude)) largest = std::max(largest, magnitude);
  }
  return largest;
}

template <class T>
Comparison compare_elements(const Tensor& got, const Tensor& want, Tolerance tolerance) {
  Comparison c;
  c.allowed = kIsFloat<T> ? tolerance.absolute + tolerance.relative * largest_finite<T>(want) : 0;
  for (std::int64_t i = 0; i < want.size() && !std::isnan(c.worst_error); ++i) {
    const double error = distance(value(got.data<T>()[i]), value(want.data<T>()[i]));
    if (error <= c.worst_error) continue;  // false for NaN
    c.worst_error = error;
    c.place = i;
  }
  c.passed = c.worst_error <= c.allowed;
  if (!c.passed) {
    c.problem = "element " + to_string(position(c.place, want.shape())) + " is " + text(value(got.data<T>()[c.place])) +
                ", expected " + text(value(want.data<T>()[c.place])) + " (allowed error " + text(c.allowed) + ")";
  }
  return c;
}

}  // namespace

Comparison compare(const Tensor& got, const Tensor& want, Tolerance tolerance) {
  Comparison c;
  c.worst_error = kNaN;
  if (got.type() != want.type()) {
    c.problem = "type is " + std::string(name(got.type())) + ", expected " + std::string(name(want.type()));
  } else if (got.shape() != want.shape()) {
    c.problem = "shape is " + to_string(got.shape()) + ", expected " + to_string(want.shape());
  } else {
    return visit(want.type(), [&](auto t) { return compare_elements<decltype(t)>(got, want, tolerance); });
  }
  return c;
}

}  // namespace sesame::engine
