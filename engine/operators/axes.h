// Axes that are an attribute in older opsets and the second input in newer ones.
#pragma once

#include <optional>
#include <vector>

#include "engine/operators/common.h"

namespace sesame::engine {

class AxesParameter {
 public:
  // The axes are input 1 from opset `input_since` on.
  AxesParameter(const Node& node, int input_since) : is_input_(node.version >= input_since) {
    check_inputs(node, 1, is_input_ ? 2 : 1);
    if (!is_input_) fixed_ = node.attributes.maybe_integers("axes");
  }

  // Nothing where no axes are given.
  std::optional<std::vector<std::int64_t>> get(const Inference& io) const {
    if (!is_input_) return fixed_;
    if (!io.has(1)) return std::nullopt;
    return to_int64s(io.value(1));
  }
  std::optional<std::vector<std::int64_t>> get(const Execution& e) const {
    if (!is_input_) return fixed_;
    if (!e.has(1)) return std::nullopt;
    return to_int64s(e.inputs[1]);
  }

 private:
  bool is_input_;
  std::optional<std::vector<std::int64_t>> fixed_;
};

}  // namespace sesame::engine
