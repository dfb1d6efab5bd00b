// Which nodes of a graph of normal forms work on each row of [batch, length, features] alone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engine/graph.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"

namespace sesame::models {

class RowGraph {
 public:
  // Rows of [batch, length, ..], two sizes as probed.
  RowGraph(const engine::Matcher& m, const engine::ShapeProbe& probe, engine::ProbedDim batch,
           engine::ProbedDim length);

  // Features of a row of the value, floats or bytes, 0 when it has no row for each position, all of one constant width.
  std::size_t width(engine::ValueId id) const;

  // Likewise of a value that may be the same for the whole batch, or for all positions.
  std::size_t broadcast_width(engine::ValueId id) const;

  // The rows that a node works on when it is one that programs of rows have (row_program.h), else nothing.
  std::optional<std::vector<engine::ValueId>> operands(const engine::Node& node) const;

  // The values that the rows of `id` are made from by such nodes, `known` among them and not looked behind.
  std::set<engine::ValueId> sources(engine::ValueId id, const std::set<engine::ValueId>& known) const;

  // Whether a Linear is among the nodes that make `id` from its sources.
  bool is_projected(engine::ValueId id, const std::set<engine::ValueId>& known) const;

  // What is computed, by whatever node, from one of these values.
  std::set<engine::ValueId> behind(const std::set<engine::ValueId>& values) const;

  // The DynamicQuantizeLinear of rows that makes a scale, or null.
  const engine::Node* dynamic_grid(engine::ValueId scale) const;

  // The first of the columns that a Slice keeps of its rows, when it is one of the last axis in steps of 1.
  std::optional<std::size_t> slice_begin(const engine::Node& slice) const;

 private:
  // Calls fn(value, node) for everything behind `id`, nodes where they work on rows and null for sources.
  template <class Fn>
  void walk_back(engine::ValueId id, const std::set<engine::ValueId>& known, Fn&& fn) const;
  bool is_row_constant(engine::ValueId id, std::size_t width) const;
  std::optional<std::vector<engine::ValueId>> operands_of_pair(const engine::Node& node, std::size_t width) const;
  bool is_float(engine::ValueId id) const { return probe_.shape(id) && probe_.type(id) == engine::DType::f32; }
  bool is_bytes(engine::ValueId id) const;
  std::optional<std::vector<engine::ValueId>> operands_of_bytes(const engine::Node& node, std::size_t width) const;
  bool is_mean(const engine::Node& node) const;
  bool has_grid(const engine::Node& linear) const;
  bool is_last_axis(std::int64_t axis) const { return axis == -1 || axis == 2; }

  const engine::Matcher& m_;
  const engine::ShapeProbe& probe_;
  engine::ProbedDim batch_;
  engine::ProbedDim length_;
};

}  // namespace sesame::models
