// What the operators share: checks at construction, sets of element types, float16 as float32.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/step.h"
#include "sesame/error.h"

namespace sesame::engine {

inline constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

// Throws Error unless the node has from `least` to `most` inputs and the first `least` of them are given:
// "MatMul needs 2 inputs, found 1".
void check_inputs(const Node& node, std::size_t least, std::size_t most);

// A factory for an operator that is constructed from its node, or from the graph and its node.
template <class Op>
StepFactory make() {
  return [](const Graph& graph, const Node& node) -> std::unique_ptr<Step> {
    if constexpr (std::is_constructible_v<Op, const Graph&, const Node&>) {
      return std::make_unique<Op>(graph, node);
    } else {
      return std::make_unique<Op>(node);
    }
  };
}

// Whether output i is wanted.
inline bool wants(const Execution& e, std::size_t i) { return i < e.outputs.size() && e.outputs[i].has_data(); }

// A set of element types.
template <class... Ts>
struct Types {};
using Floats = Types<float, Half, double>;
using Integers = Types<std::int8_t, std::uint8_t, std::int32_t, std::int64_t>;
using Numbers = Types<float, Half, double, std::int8_t, std::uint8_t, std::int32_t, std::int64_t>;
using AllTypes = Types<float, Half, double, std::int8_t, std::uint8_t, std::int32_t, std::int64_t, bool>;
using IndexTypes = Types<std::int32_t, std::int64_t>;
using ByteTypes = Types<std::int8_t, std::uint8_t>;

template <class... Ts>
bool contains(Types<Ts...>, DType type) {
  return ((dtype_of<Ts>() == type) || ...);
}

[[noreturn]] void refuse_type(std::string_view what, DType found, const std::vector<DType>& allowed);

// Throws Error unless the type is in the set: "input 1 is int64, expected float, float16 or double".
template <class... Ts>
void check_type(std::string_view what, DType type, Types<Ts...> allowed) {
  if (!contains(allowed, type)) refuse_type(what, type, {dtype_of<Ts>()...});
}
template <class Set>
void check_type(const Inference& io, std::size_t i, Set allowed) {
  check_type("input " + std::to_string(i), io.input(i).type(), allowed);
}

// Throws Error unless inputs i and j have one type.
void check_same_type(const Inference& io, std::size_t i, std::size_t j);

// Calls fn(T{}) with the C++ type of `type`, which must be in the set.
template <class... Ts, class Fn>
void visit_in(Types<Ts...> allowed, DType type, Fn&& fn) {
  const bool found = ((dtype_of<Ts>() == type && (fn(Ts{}), true)) || ...);
  if (!found) check_type("the operand", type, allowed);
}

// The type that values of T are computed in.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, Half>, float, T>;

template <class T>
Compute<T> load(T x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_float(x);
  } else {
    return x;
  }
}

template <class T>
T store(Compute<T> x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_half(x);
  } else {
    return x;
  }
}

// The element type with ONNX's number, as attributes hold it. Throws Error for one that the engine does not hold.
DType element_type(std::int64_t onnx_number);

void to_floats(const Half* x, std::size_t n, float* y);
void to_halves(const float* x, std::size_t n, Half* y);

// y = fn applied to x, n elements in a row, where fn(const float* x, std::size_t n, float* y) may work in place and
// each element depends on itself alone. float16 goes through float32 in pieces.
template <class Fn>
void float_rows(const Tensor& x, const Tensor& y, Fn&& fn) {
  if (x.type() == DType::f32) return fn(x.data<float>(), static_cast<std::size_t>(x.size()), y.data<float>());
  constexpr std::size_t kPiece = 512;
  float piece[kPiece];
  const auto size = static_cast<std::size_t>(x.size());
  for (std::size_t i = 0; i < size; i += kPiece) {
    const std::size_t n = std::min(kPiece, size - i);
    to_floats(x.data<Half>() + i, n, piece);
    fn(piece, n, piece);
    to_halves(piece, n, y.data<Half>() + i);
  }
}

// The float32 values of a float32 or float16 tensor: a view of it, or a converted copy.
Tensor as_floats(const Tensor& x);
// Writes float32 values to a float32 or float16 tensor of the same size.
void assign_floats(const float* x, const Tensor& y);

// The value of a tensor of one element (any shape) as a float or an integer. Throws Error for more elements.
double scalar_value(const Tensor& x, std::string_view what);
std::int64_t scalar_integer(const Tensor& x, std::string_view what);

// An index in [-size, size) as one in [0, size). Throws Error: "index 99 is out of range [-10, 10)".
inline std::int64_t checked_index(std::int64_t index, std::int64_t size) {
  if (index < -size || index >= size) [[unlikely]] {
    throw Error("index " + std::to_string(index) + " is out of range [" + std::to_string(-size) + ", " +
                std::to_string(size) + ")");
  }
  return index < 0 ? index + size : index;
}

// Throws Error when the shapes differ.
void check_shape(std::string_view what, const Shape& found, const Shape& expected);

}  // namespace sesame::engine
