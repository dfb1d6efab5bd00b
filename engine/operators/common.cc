#include "engine/operators/common.h"

#include <algorithm>
#include <cstring>

#include "engine/onnx_types.h"

namespace sesame::engine {

namespace {

std::string plural(std::size_t n) { return std::to_string(n) + (n == 1 ? " input" : " inputs"); }

}  // namespace

void check_inputs(const Node& node, std::size_t least, std::size_t most) {
  std::size_t found = node.inputs.size();
  while (found > 0 && node.inputs[found - 1] == kNoValue) --found;
  if (found < least) {
    throw Error(node.op + " needs " + (least == most ? "" : "at least ") + plural(least) + ", found " +
                std::to_string(found));
  }
  if (found > most) throw Error(node.op + " takes at most " + plural(most) + ", found " + std::to_string(found));
  for (std::size_t i = 0; i < least; ++i) {
    if (node.inputs[i] == kNoValue) throw Error(node.op + ": input " + std::to_string(i) + " is missing");
  }
}

void refuse_type(std::string_view what, DType found, const std::vector<DType>& allowed) {
  std::string list;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (i > 0) list += i + 1 == allowed.size() ? " or " : ", ";
    list += name(allowed[i]);
  }
  throw Error(std::string(what) + " is " + std::string(name(found)) + ", expected " + list);
}

void check_same_type(const Inference& io, std::size_t i, std::size_t j) {
  const DType a = io.input(i).type();
  const DType b = io.input(j).type();
  if (a == b) return;
  throw Error("input " + std::to_string(i) + " is " + std::string(name(a)) + " and input " + std::to_string(j) +
              " is " + std::string(name(b)) + ", expected one type");
}

DType element_type(std::int64_t onnx_number) {
  const auto type = dtype_from_onnx(onnx_number);
  if (!type) throw Error(unsupported_element_type(onnx_number));
  return *type;
}

void to_floats(const Half* x, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = to_float(x[i]);
}

void to_halves(const float* x, std::size_t n, Half* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = to_half(x[i]);
}

Tensor as_floats(const Tensor& x) {
  if (x.type() == DType::f32) return x;
  check_type("the operand", x.type(), Types<float, Half>{});
  Tensor y = Tensor::allocate(DType::f32, x.shape());
  to_floats(x.data<Half>(), static_cast<std::size_t>(x.size()), y.data<float>());
  return y;
}

void assign_floats(const float* x, const Tensor& y) {
  const auto n = static_cast<std::size_t>(y.size());
  if (y.type() == DType::f16) return to_halves(x, n, y.data<Half>());
  if (n != 0) std::memmove(y.data<float>(), x, n * sizeof(float));
}

double scalar_value(const Tensor& x, std::string_view what) {
  if (x.size() != 1) throw Error(std::string(what) + " has shape " + to_string(x.shape()) + ", expected one element");
  double value = 0;
  visit_in(AllTypes{}, x.type(), [&](auto t) { value = static_cast<double>(load(*x.data<decltype(t)>())); });
  return value;
}

std::int64_t scalar_integer(const Tensor& x, std::string_view what) {
  if (x.size() != 1) throw Error(std::string(what) + " has shape " + to_string(x.shape()) + ", expected one element");
  check_type(what, x.type(), IndexTypes{});
  return to_int64s(x)[0];
}

void check_shape(std::string_view what, const Shape& found, const Shape& expected) {
  if (found == expected) return;
  throw Error(std::string(what) + " has shape " + to_string(found) + ", expected " + to_string(expected));
}

}  // namespace sesame::engine
