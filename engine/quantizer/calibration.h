// The ranges of a graph's values over sample inputs.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/plan.h"
#include "engine/quantizer/observer.h"

namespace sesame::engine {

// An operator-by-operator graph (no recognised encoders) as it is asked for some of its values alone: these become its
// outputs, in this order and without repetition, and what they do not need is left out. Throws Error that names a value
// which the graph does not have, or which is a constant.
Graph observed_graph(Graph graph, std::span<const std::string> values);

// Observers of the outputs of such a graph, whatever runs it.
class Observers {
 public:
  Observers(const Graph& observed, const CalibrationOptions& options);

  // The outputs of one pass over one sample. Throws Error, the value's name first: not a float tensor, NaN or infinity.
  void observe(std::span<const Tensor> outputs);

  const std::map<std::string, Observer>& all() const { return observers_; }
  std::map<std::string, Range> ranges() const;

 private:
  std::vector<std::string> names_;  // of the outputs
  std::map<std::string, Observer> observers_;
};

// Both together, for who has the graph's inputs as tensors.
class Calibration {
 public:
  Calibration(Graph graph, std::span<const std::string> values, const CalibrationOptions& options);

  void observe(std::span<const Tensor> inputs);

  const Observers& observers() const { return observers_; }
  std::map<std::string, Range> ranges() const { return observers_.ranges(); }

 private:
  Plan plan_;
  Runner runner_;
  Observers observers_;
};

}  // namespace sesame::engine
