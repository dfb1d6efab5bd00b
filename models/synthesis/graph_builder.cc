#include "models/synthesis/graph_builder.h"

namespace sesame::models::synthesis {

using engine::DType;
using engine::Shape;
using engine::Tensor;

// Opset 14 is the exporters' usual one: LayerNorm is still spelt out, Unsqueeze takes its axes as an input.
inline constexpr int kOpset = 14;

GraphBuilder::GraphBuilder(std::uint64_t seed) : seed_(seed) {
  graph_.producer_name = "sesame make-model";
  graph_.opsets[std::string(engine::kOnnx)] = kOpset;
}

Module GraphBuilder::root() { return Module(this, "", ""); }

ValueId GraphBuilder::ids_input(std::string name) {
  const ValueId id = graph_.add_value(std::move(name));
  declare(id, DType::i64, {kBatch, kSequence});
  graph_.inputs.push_back(id);
  return id;
}

void GraphBuilder::output(ValueId value, std::string name, const std::vector<Dimension>& shape) {
  graph_.value(value).name = std::move(name);
  declare(value, DType::f32, shape);
  graph_.outputs.push_back(value);
}

void GraphBuilder::declare(ValueId id, DType type, const std::vector<Dimension>& shape) {
  engine::Value& value = graph_.value(id);
  value.declared_type = type;
  value.declared_shape.emplace();
  for (const Dimension& dimension : shape) {
    value.declared_shape->push_back(dimension.size);
    value.declared_dim_names.push_back(dimension.name);
  }
}

// The path itself the first time, with "_1", "_2" and so on after that.
std::string GraphBuilder::numbered(std::string path) {
  const int uses = uses_of_name_[path]++;
  return uses == 0 ? path : path + "_" + std::to_string(uses);
}

Module Module::child(std::string_view name) const {
  return Module(builder_, parameter_path(name), scope_ + "/" + std::string(name));
}

Module Module::again(std::int64_t n) const {
  return n == 0 ? *this : Module(builder_, path_, scope_ + "_" + std::to_string(n));
}

std::string Module::parameter_path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

ValueId Module::add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) const {
  return add_many(op, std::move(inputs), 1, attributes)[0];
}

std::vector<ValueId> Module::add_many(std::string_view op, std::vector<ValueId> inputs, std::size_t outputs,
                                      Attributes attributes) const {
  engine::Graph& graph = builder_->graph_;
  engine::Node node;
  node.op = op;
  node.version = kOpset;
  node.name = builder_->numbered(scope_ + "/" + node.op);
  node.inputs = std::move(inputs);
  for (std::size_t i = 0; i < outputs; ++i) {
    node.outputs.push_back(graph.add_value(node.name + "_output_" + std::to_string(i)));
  }
  for (const auto& [name, value] : attributes) node.attributes.set(name, value);
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().outputs;
}

ValueId Module::constant(Tensor value) const { return add("Constant", {}, {{"value", std::move(value)}}); }

ValueId Module::list(const std::vector<std::int64_t>& values) const {
  return constant(Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
}

ValueId Module::nameless_constant(std::string_view reader, Tensor value) const {
  engine::Graph& graph = builder_->graph_;
  engine::Node node;
  node.op = "Constant";
  node.version = kOpset;
  node.name = "Constant_" + std::to_string(graph.nodes.size());
  const ValueId id = graph.add_value("onnx::" + std::string(reader) + "_" + std::to_string(graph.value_count()));
  node.outputs = {id};
  node.attributes.set("value", std::move(value));
  graph.nodes.push_back(std::move(node));
  return id;
}

ValueId Module::parameter(std::string_view name, Shape shape, Distribution distribution) const {
  const auto known = builder_->parameters_.find(parameter_path(name));
  if (known != builder_->parameters_.end()) return known->second;
  return parameter(name, random_tensor(builder_->seed_, parameter_path(name), std::move(shape), distribution));
}

ValueId Module::parameter(std::string_view name, Tensor value) const {
  const std::string path = parameter_path(name);
  return builder_->parameters_[path] = builder_->graph_.add_constant(path, std::move(value));
}

ValueId Module::folded_weight(std::int64_t in, std::int64_t out) const {
  const std::string path = parameter_path("weight");
  const auto known = builder_->folded_weights_.find(path);
  if (known != builder_->folded_weights_.end()) return builder_->copy_of(known->second);
  const ValueId id = folded_weight(random_tensor(builder_->seed_, path, {in, out}, kKernel));
  return builder_->folded_weights_[path] = id;
}

ValueId Module::folded_weight(Tensor value) const {
  engine::Graph& graph = builder_->graph_;
  return graph.add_constant("onnx::MatMul_" + std::to_string(graph.value_count()), std::move(value));
}

ValueId GraphBuilder::copy_of(ValueId weight) {
  engine::Node node;
  node.op = "Identity";
  node.version = kOpset;
  node.inputs = {weight};
  node.outputs = {graph_.add_value("onnx::MatMul_" + std::to_string(graph_.value_count()))};
  copies_.insert(copies_.begin(), std::move(node));
  return copies_.front().outputs[0];
}

engine::Graph GraphBuilder::take() {
  for (std::size_t i = 0; i < copies_.size(); ++i) copies_[i].name = "Identity_" + std::to_string(i);
  graph_.nodes.insert(graph_.nodes.begin(), copies_.begin(), copies_.end());
  return std::move(graph_);
}

}  // namespace sesame::models::synthesis
