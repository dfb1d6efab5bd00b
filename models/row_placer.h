// Writes the nodes of a graph that work on rows as operations of a RowEncoder's programs: each into the first program
// in which all that it reads is there.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/quantized_linear.h"
#include "engine/shape_probe.h"
#include "models/row_graph.h"
#include "models/row_writer.h"

namespace sesame::models {

bool is_activation(const engine::Node& node);
kernels::Activation activation_of(const engine::Node& node);

// Whether it adds rows to rows, floats or bytes.
bool is_sum_of_activations(const engine::Matcher& m, const engine::Node* node);

class RowPlacer {
 public:
  // A value in the encoder, and the first program that can read it.
  struct Placed {
    RowView view;
    std::size_t program = 0;
  };

  // `needed`: the values that are to be placed. What is referred to stays there.
  RowPlacer(const engine::Matcher& m, const engine::ShapeProbe& probe, const RowGraph& rows,
            const std::set<engine::ValueId>& needed)
      : m_(m), probe_(probe), rows_(rows), needed_(needed) {}

  // In the order of the graph; the node is one that RowGraph::operands knows.
  void place(const engine::Node& node);
  // A value that something other than an operation makes, for `program`.
  RowView place_value(engine::ValueId id, std::size_t program);
  // The rows of a value for an operation of `program`; those from outside are loaded there.
  RowView view(engine::ValueId id, std::size_t program);
  std::size_t program_of(engine::ValueId id) const;
  std::size_t program_of(const std::vector<engine::ValueId>& operands) const;

  const std::map<engine::ValueId, Placed>& placed() const { return placed_; }
  RowWriter& writer() { return writer_; }
  // Inputs of the step, and what they are.
  const std::vector<engine::ValueId>& inputs() const { return inputs_; }
  const std::vector<RowEncoder::Input>& input_kinds() const { return kinds_; }
  std::size_t slots() const { return slot_.size(); }

 private:
  const engine::Node& node_at(int index) const { return m_.graph().nodes[static_cast<std::size_t>(index)]; }
  bool is_bytes(engine::ValueId id) const { return probe_.type(id) != engine::DType::f32; }
  std::optional<engine::RowLookup> table_lookup(engine::ValueId id) const;
  std::size_t input_of(engine::ValueId id, std::optional<engine::DType> type, std::size_t width);
  bool is_deferred(const engine::Node& node) const;
  const engine::Node* deferred(engine::ValueId id) const;
  RowOperand operand(engine::ValueId id, std::size_t program);
  static engine::Tensor spread(const engine::Tensor& bytes, std::size_t width);
  ByteGrid constant_grid(const engine::Node& node, std::size_t scale, std::size_t zero, engine::ValueId bytes) const;

  // What `last` makes: the Linear itself, its activation, or its sum with a residual.
  void place_linear(const engine::Node& node, const engine::Node& last, engine::ValueId residual);
  void place_quantized_linear(const engine::Node& node);
  void place_norm(const engine::Node& node);
  void place_split(const engine::Node& node);
  void place_columns(engine::ValueId id, engine::ValueId of, std::size_t begin);
  void place_concat(const engine::Node& node);
  void place_pair(const engine::Node& node, kernels::Combination how);
  void place_power(const engine::Node& node);
  void place_bytes(const engine::Node& node);
  void place_dynamic_quantize(const engine::Node& node);
  // An operation with one operand, what `fill` makes of (x, out).
  template <class Fn>
  void place_unary(const engine::Node& node, Fn&& fill);

  const engine::Matcher& m_;
  const engine::ShapeProbe& probe_;
  const RowGraph& rows_;
  const std::set<engine::ValueId>& needed_;
  RowWriter writer_;
  std::vector<engine::ValueId> inputs_;
  std::vector<RowEncoder::Input> kinds_;
  std::map<engine::ValueId, Placed> placed_;
  std::map<std::pair<engine::ValueId, std::size_t>, RowView> loaded_;  // in which program
  std::map<engine::ValueId, std::size_t> slot_;                        // by the scale that is found
  // Packed once for layers that share them: by their constants and attributes.
  std::map<std::pair<std::vector<engine::ValueId>, std::pair<bool, float>>,
           std::shared_ptr<const engine::QuantizedLinear>>
      linears_;
};

}  // namespace sesame::models
