// Runs one operator on given tensors.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/isa.h"

namespace sesame::test {

using Ints = std::vector<std::int64_t>;

struct Op {
  std::string name;
  int version = 17;
  std::string domain{};
  std::vector<std::pair<std::string, engine::Attribute>> attributes{};
  std::size_t outputs = 1;
};

// Makes the step, infers, runs it at the level. An undefined input counts as left out.
std::vector<engine::Tensor> run_operator(const Op& op, const std::vector<engine::Tensor>& inputs,
                                         kernels::Isa isa = kernels::default_isa());

// The only output.
inline engine::Tensor run(const Op& op, const std::vector<engine::Tensor>& inputs) {
  return run_operator(op, inputs)[0];
}

// The message of the Error that running throws; fails the test when nothing is thrown.
std::string error_of(const Op& op, const std::vector<engine::Tensor>& inputs);

// Short spellings.
engine::Tensor floats(engine::Shape shape, std::vector<float> values);
engine::Tensor ints(engine::Shape shape, std::vector<std::int64_t> values);
engine::Tensor bytes(engine::Shape shape, std::vector<std::uint8_t> values);
engine::Tensor halves(engine::Shape shape, const std::vector<float>& values);
// Seeded values in [-1, 1), multiples of 2^-8 so that sums of products of a few hundred are exact in float32.
engine::Tensor random_floats(engine::Shape shape, unsigned seed);
engine::Tensor random_bytes(engine::Shape shape, unsigned seed);

// The elements as doubles, whatever the type.
std::vector<double> values(const engine::Tensor& t);
bool same_bits(const engine::Tensor& a, const engine::Tensor& b);

}  // namespace sesame::test
