#include "models/synthesis/blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace sesame::models::synthesis {

using engine::Tensor;

namespace {

using Integers = std::vector<std::int64_t>;

}  // namespace

ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width) {
  return module.add("Gather", {module.parameter("weight", {rows, width}, kKernel), ids});
}

ValueId sequence_length(const Module& module, ValueId ids_shape_of) { return dimension(module, ids_shape_of, 1); }

ValueId first_positions(const Module& module, ValueId position_ids, ValueId length) {
  const ValueId starts = module.list({0});
  const ValueId axes_of_unsqueeze = module.list({0});
  const ValueId ends = module.add("Unsqueeze", {length, axes_of_unsqueeze});
  const ValueId axes = module.list({1});
  const ValueId steps = module.list({1});
  return module.add("Slice", {position_ids, starts, ends, axes, steps});
}

Tensor position_numbers(std::int64_t max_positions) {
  Tensor numbers = Tensor::allocate(engine::DType::i64, {1, max_positions});
  std::iota(numbers.data<std::int64_t>(), numbers.data<std::int64_t>() + max_positions, std::int64_t{0});
  return numbers;
}

ValueId layer_norm(const Module& module, ValueId x, std::int64_t size, float epsilon_value) {
  const ValueId mean = module.add("ReduceMean", {x}, {{"axes", Integers{-1}}});
  const ValueId centred = module.add("Sub", {x, mean});
  const ValueId two = module.scalar(2.0f);
  const ValueId squares = module.add("Pow", {centred, two});
  const ValueId variance = module.add("ReduceMean", {squares}, {{"axes", Integers{-1}}});
  const ValueId epsilon = module.scalar(epsilon_value);
  const ValueId above_zero = module.add("Add", {variance, epsilon});
  const ValueId deviation = module.add("Sqrt", {above_zero});
  const ValueId normal = module.add("Div", {centred, deviation});
  const ValueId scaled = module.add("Mul", {normal, module.parameter("weight", {size}, kGain)});
  return module.add("Add", {scaled, module.parameter("bias", {size}, kShift)});
}

ValueId gelu(const Module& module, ValueId x) {
  const ValueId root_of_two = module.scalar(static_cast<float>(std::sqrt(2.0)));
  const ValueId scaled = module.add("Div", {x, root_of_two});
  const ValueId erf = module.add("Erf", {scaled});
  const ValueId one = module.scalar(1.0f);
  const ValueId gate = module.add("Add", {erf, one});
  const ValueId product = module.add("Mul", {x, gate});
  const ValueId half = module.scalar(0.5f);
  return module.add("Mul", {product, half});
}

ValueId gelu_new(const Module& module, ValueId x) {
  const ValueId half = module.add("Mul", {x, module.scalar(0.5f)});
  const ValueId cube = module.add("Pow", {x, module.scalar(3.0f)});
  const ValueId small = module.add("Mul", {cube, module.scalar(0.044715f)});
  const ValueId sum = module.add("Add", {x, small});
  const ValueId scaled = module.add("Mul", {sum, module.scalar(static_cast<float>(std::sqrt(2.0 / std::acos(-1.0))))});
  const ValueId tanh = module.add("Tanh", {scaled});
  const ValueId gate = module.add("Add", {tanh, module.scalar(1.0f)});
  return module.add("Mul", {half, gate});
}

ValueId tied_decoder(const Module& module, ValueId x, ValueId table, ValueId bias) {
  const ValueId weight = module.folded_weight(transposed(module.tensor(table)));
  const ValueId product = module.add("MatMul", {x, weight});
  return module.add("Add", {bias, product});
}

ValueId reshape(const Module& module, ValueId x, ValueId shape) {
  return module.add("Reshape", {x, shape}, {{"allowzero", std::int64_t{0}}});
}

ValueId concat(const Module& module, std::vector<ValueId> parts) {
  return module.add("Concat", std::move(parts), {{"axis", std::int64_t{0}}});
}

ValueId expand_to(const Module& module, ValueId x, const std::vector<ValueId>& dimensions) {
  const ValueId listed = concat(module, dimensions);
  const ValueId shape = reshape(module, listed, module.list({-1}));
  const ValueId rank = module.add("Shape", {shape});
  const ValueId ones = module.add("ConstantOfShape", {rank}, {{"value", Tensor::of<std::int64_t>({1}, {1})}});
  const ValueId kept = module.add("Mul", {ones, module.scalar(std::int64_t{-1})});
  const ValueId is_kept = module.add("Equal", {shape, kept});
  return module.add("Expand", {x, module.add("Where", {is_kept, ones, shape})});
}

ValueId first_token(const Module& module, ValueId states) {
  return module.add("Gather", {states, module.scalar(std::int64_t{0})}, {{"axis", std::int64_t{1}}});
}

std::string class_name(const std::string& prefix, Task task) {
  switch (task) {
    case Task::encoder:
      return prefix + "Model";
    case Task::sequence_classification:
      return prefix + "ForSequenceClassification";
    case Task::token_classification:
      return prefix + "ForTokenClassification";
    case Task::question_answering:
      return prefix + "ForQuestionAnswering";
    case Task::masked_lm:
      break;
  }
  return prefix + "ForMaskedLM";
}

Module encoder_root(GraphBuilder& builder, const ModelSpec& spec, std::string_view name) {
  return spec.task == Task::encoder ? builder.root() : builder.root().child(name);
}

ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out) {
  const ValueId product = module.add("MatMul", {x, module.folded_weight(in, out)});
  return module.add("Add", {module.parameter("bias", {out}, kBias), product});
}

ValueId gemm(const Module& module, ValueId x, std::int64_t in, std::int64_t out) {
  const ValueId weight = module.parameter("weight", {out, in}, kKernel);
  const ValueId bias = module.parameter("bias", {out}, kBias);
  return module.add("Gemm", {x, weight, bias}, {{"alpha", 1.0f}, {"beta", 1.0f}, {"transB", std::int64_t{1}}});
}

ValueId dimension(const Module& module, ValueId x, std::int64_t axis) {
  const ValueId shape = module.add("Shape", {x});
  const ValueId index = module.scalar(axis);
  return module.add("Gather", {shape, index}, {{"axis", std::int64_t{0}}});
}

ValueId as_list(const Module& module, ValueId scalar) {
  const ValueId axes = module.nameless_constant("Unsqueeze", Tensor::of<std::int64_t>({1}, {0}));
  return module.add("Unsqueeze", {scalar, axes});
}

ValueId additive_mask(const Module& module, ValueId attention_mask) {
  const ValueId heads_axis = module.list({1});
  const ValueId over_heads = module.add("Unsqueeze", {attention_mask, heads_axis});
  const ValueId queries_axis = module.list({2});
  const ValueId over_queries = module.add("Unsqueeze", {over_heads, queries_axis});
  const ValueId mask = module.add("Cast", {over_queries}, {{"to", std::int64_t{1}}});
  const ValueId one = module.scalar(1.0f);
  const ValueId padded = module.add("Sub", {one, mask});
  const ValueId lowest = module.scalar(std::numeric_limits<float>::lowest());
  return module.add("Mul", {padded, lowest});
}

void encoder_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec) {
  builder.output(states, "last_hidden_state", {kBatch, kSequence, spec.hidden});
}

void sequence_classification_head(GraphBuilder& builder, ValueId pooled, const ModelSpec& spec) {
  const ValueId logits = gemm(builder.root().child("classifier"), pooled, spec.hidden, spec.labels);
  builder.output(logits, "logits", {kBatch, spec.labels});
}

void token_classification_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec) {
  const ValueId logits = linear(builder.root().child("classifier"), states, spec.hidden, spec.labels);
  builder.output(logits, "logits", {kBatch, kSequence, spec.labels});
}

void question_answering_head(GraphBuilder& builder, ValueId states, const ModelSpec& spec) {
  const Module root = builder.root();
  const ValueId both = linear(root.child("qa_outputs"), states, spec.hidden, 2);
  const ValueId sizes = root.list({1, 1});
  const auto parts = root.add_many("Split", {both, sizes}, 2, {{"axis", std::int64_t{-1}}});
  for (std::size_t i = 0; i < 2; ++i) {
    const ValueId last_axis = root.list({2});
    const ValueId logits = root.add("Squeeze", {parts[i], last_axis});
    builder.output(logits, i == 0 ? "start_logits" : "end_logits", {kBatch, kSequence});
  }
}

Tensor transposed(const Tensor& matrix) {
  const std::int64_t rows = matrix.dim(0);
  const std::int64_t columns = matrix.dim(1);
  Tensor result = Tensor::allocate(engine::DType::f32, {columns, rows});
  const float* const from = matrix.data<float>();
  float* const to = result.data<float>();
  constexpr std::int64_t kBlock = 64;  // both sides of a block stay in L1
  for (std::int64_t row = 0; row < rows; row += kBlock) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t end = std::min(rows, row + kBlock);
      for (std::int64_t r = row; r < end; ++r) to[column * rows + r] = from[r * columns + column];
    }
  }
  return result;
}

}  // namespace sesame::models::synthesis
