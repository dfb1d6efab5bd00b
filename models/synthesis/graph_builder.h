// Builds a graph the way torch's ONNX exporter leaves one: nodes named by the path of their module, weights by the path
// of their parameter, scalars and shapes as Constant nodes.
//
//   Module attention = root.child("encoder").child("layer.0");   // nodes "/encoder/layer.0/MatMul_1",
//                                                                // weights "encoder.layer.0.bias"
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "models/synthesis/random.h"

namespace sesame::models::synthesis {

using engine::ValueId;

class Module;

class GraphBuilder {
 public:
  explicit GraphBuilder(std::uint64_t seed);

  // The module without a name, that holds all others.
  Module root();

  // A graph input of int64 ids, [batch_size, sequence_length].
  ValueId ids_input(std::string name);

  // Makes `value` an output of the graph under a name of its own. A dimension is a name or a number of elements.
  struct Dimension {
    Dimension(std::int64_t size) : size(size) {}           // NOLINT: written in lists
    Dimension(const char* name) : size(-1), name(name) {}  // NOLINT
    std::int64_t size;
    std::string name;
  };
  void output(ValueId value, std::string name, const std::vector<Dimension>& shape);

  engine::Graph take();

 private:
  friend class Module;
  void declare(ValueId value, engine::DType type, const std::vector<Dimension>& shape);
  std::string numbered(std::string path);
  ValueId copy_of(ValueId folded_weight);

  engine::Graph graph_;
  std::uint64_t seed_;
  std::map<std::string, int, std::less<>> uses_of_name_;
  std::map<std::string, ValueId, std::less<>> parameters_;      // by path
  std::map<std::string, ValueId, std::less<>> folded_weights_;  // by path
  std::vector<engine::Node> copies_;                            // of folded weights, from later to earlier
};

inline constexpr const char* kBatch = "batch_size";
inline constexpr const char* kSequence = "sequence_length";

// A place in the module tree where nodes and weights are added. A handle: copies mean the same place.
class Module {
 public:
  using Attributes = std::initializer_list<std::pair<const char*, engine::Attribute>>;

  Module child(std::string_view name) const;

  // The same module, called once more for the n-th time: its nodes are numbered "/encoder/layer.0_1/Add", its
  // parameters are those of the first call.
  Module again(std::int64_t n) const;

  // A node of this module with one output.
  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) const;
  std::vector<ValueId> add_many(std::string_view op, std::vector<ValueId> inputs, std::size_t outputs,
                                Attributes attributes = {}) const;

  // A Constant node of this module.
  ValueId constant(engine::Tensor value) const;
  ValueId scalar(std::int64_t value) const { return constant(engine::Tensor::scalar(value)); }
  ValueId scalar(float value) const { return constant(engine::Tensor::scalar(value)); }
  ValueId list(const std::vector<std::int64_t>& values) const;
  // A Constant node that the exporter made for one reader of operator `reader`: such nodes belong to no module and are
  // numbered by their place in the graph.
  ValueId nameless_constant(std::string_view reader, engine::Tensor value) const;

  // A weight, named by this module's path: the same value each time. The numbers depend on the seed and on that name.
  ValueId parameter(std::string_view name, engine::Shape shape, Distribution distribution) const;
  ValueId parameter(std::string_view name, engine::Tensor value) const;
  // The weight of a Linear as the exporter's constant folding leaves it: transposed, [in, out], without its path. Asked
  // for again, it is a copy of the first one by an Identity at the beginning of the graph, as exporters leave it.
  ValueId folded_weight(std::int64_t in, std::int64_t out) const;
  ValueId folded_weight(engine::Tensor value) const;

  // The tensor of a value made by parameter().
  const engine::Tensor& tensor(ValueId parameter) const { return builder_->graph_.constant(parameter); }

 private:
  friend class GraphBuilder;
  Module(GraphBuilder* builder, std::string path, std::string scope)
      : builder_(builder), path_(std::move(path)), scope_(std::move(scope)) {}
  std::string parameter_path(std::string_view name) const;

  GraphBuilder* builder_;
  std::string path_;   // "encoder.layer.0", empty at the root
  std::string scope_;  // "/encoder/layer.0", empty at the root
};

}  // namespace sesame::models::synthesis
