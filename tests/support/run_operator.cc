#include "tests/support/run_operator.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "engine/step.h"
#include "sesame/error.h"
#include "tests/catch.h"

namespace sesame::test {

using namespace engine;

std::vector<Tensor> run_operator(const Op& op, const std::vector<Tensor>& inputs, kernels::Isa isa) {
  Graph graph;
  Node node;
  node.op = op.name;
  node.version = op.version;
  node.domain = op.domain;
  for (const auto& [name, value] : op.attributes) node.attributes.set(name, value);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    node.inputs.push_back(inputs[i] ? graph.add_value("in" + std::to_string(i)) : kNoValue);
  }
  for (std::size_t i = 0; i < op.outputs; ++i) node.outputs.push_back(graph.add_value("out" + std::to_string(i)));
  const auto step = make_step(graph, node);
  std::vector<Tensor> outputs(op.outputs);
  Inference io(inputs, outputs);
  step->infer(io);
  for (Tensor& t : outputs) {
    if (t) t = Tensor::allocate(t.type(), t.shape());
  }
  run_alone(*step, inputs, outputs, kernels::table(isa), RunOptions{});
  return outputs;
}

std::string error_of(const Op& op, const std::vector<Tensor>& inputs) {
  try {
    run_operator(op, inputs);
  } catch (const Error& e) {
    return e.what();
  }
  FAIL("no Error from " << op.name);
  return {};
}

Tensor floats(Shape shape, std::vector<float> values) { return Tensor::of<float>(std::move(shape), values); }
Tensor ints(Shape shape, std::vector<std::int64_t> values) {
  return Tensor::of<std::int64_t>(std::move(shape), values);
}
Tensor bytes(Shape shape, std::vector<std::uint8_t> values) {
  return Tensor::of<std::uint8_t>(std::move(shape), values);
}

Tensor halves(Shape shape, const std::vector<float>& values) {
  std::vector<Half> converted;
  for (float v : values) converted.push_back(to_half(v));
  return Tensor::of<Half>(std::move(shape), converted);
}

Tensor random_floats(Shape shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t = Tensor::allocate(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = static_cast<float>(random() % 512) / 256.0f - 1.0f;
  return t;
}

Tensor random_bytes(Shape shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t = Tensor::allocate(DType::u8, std::move(shape));
  for (std::int64_t i = 0; i < t.size(); ++i) t.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random());
  return t;
}

std::vector<double> values(const Tensor& t) {
  std::vector<double> out;
  visit(t.type(), [&](auto type) {
    using T = decltype(type);
    for (const T& x : t.span<T>()) {
      if constexpr (std::is_same_v<T, Half>) {
        out.push_back(static_cast<double>(to_float(x)));
      } else {
        out.push_back(static_cast<double>(x));
      }
    }
  });
  return out;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

}  // namespace sesame::test
