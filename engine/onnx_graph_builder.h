// A parsed model -> Graph: names become values, functions are inlined, Constant nodes become constants.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/graph.h"
#include "engine/onnx_attributes.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

// Used once: OnnxGraphBuilder(model, tensors, names).build().
class OnnxGraphBuilder {
 public:
  // An initializer as it is in the file; its tensor and its name come from here, since protobuf has not seen them.
  struct Initializer {
    std::string name;
    Tensor tensor;
  };

  OnnxGraphBuilder(const sesame_onnx::ModelProto& model, TensorSource tensors)
      : model_(model), tensors_(std::move(tensors)) {}

  void add_initializer(Initializer initializer);
  // After all initializers. Throws Error: what is undefined, written twice, part of a cycle, without an opset, ...
  Graph build();

 private:
  using Opsets = std::map<std::string, int, std::less<>>;

  // The names of the graph, or of one call of a function.
  struct Scope {
    std::unordered_map<std::string, ValueId> values;
    std::string prefix;
    const Opsets* opsets;
    const sesame_onnx::FunctionProto* function = nullptr;
    const Attributes* arguments = nullptr;  // of the call
  };

  void read_opsets();
  void read_functions();
  void add_input(const sesame_onnx::ValueInfoProto& info);
  void add_output(const sesame_onnx::ValueInfoProto& info);
  void add_node(const sesame_onnx::NodeProto& proto, Scope& scope);
  void add_plain_node(const sesame_onnx::NodeProto& proto, Scope& scope, Attributes attributes);
  // The branch that an If takes, in its place, where its condition is known. False when it is not.
  bool add_branch(const sesame_onnx::NodeProto& proto, Scope& scope);
  void add_constant(const sesame_onnx::NodeProto& proto, Scope& scope, const Attributes& attributes);
  void add_identity(ValueId from, ValueId to);
  void add_call(const sesame_onnx::NodeProto& call, const sesame_onnx::FunctionProto& function, Scope& scope,
                Attributes arguments);
  void bind_outputs(const sesame_onnx::NodeProto& call, const sesame_onnx::FunctionProto& function, Scope& outer,
                    Scope& inner);
  Attributes resolve_attributes(const sesame_onnx::NodeProto& proto, const Scope& scope);
  std::string call_prefix(const sesame_onnx::NodeProto& call, const Scope& scope);
  void charge(std::size_t bytes);
  void check_defined() const;

  ValueId value_of(Scope& scope, const std::string& name);
  ValueId define(Scope& scope, const std::string& name);
  void set_defined(ValueId id);
  bool is_defined(ValueId id) const { return defined_[static_cast<std::size_t>(id)]; }

  const sesame_onnx::ModelProto& model_;
  const TensorSource tensors_;
  Graph graph_;
  Scope top_;
  std::vector<bool> defined_;  // by value
  std::unordered_map<std::string, const sesame_onnx::FunctionProto*> functions_;
  std::vector<const sesame_onnx::FunctionProto*> calls_;  // being inlined, outermost first
  std::unordered_set<std::string> prefixes_;
  std::size_t inlined_bytes_ = 0;
  int conditions_ = 0;    // that were looked into
  int branch_depth_ = 0;  // of Ifs in Ifs
};

}  // namespace sesame::engine
