// Runs one step by itself, outside of any plan.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/step.h"
#include "engine/tensor.h"

namespace sesame::engine {

// The outputs of `step` as shape inference describes them, undefined where it describes none; nothing when it depends
// on values that `inputs` do not hold. Throws Error when the inputs do not fit the step.
std::optional<std::vector<Tensor>> infer_outputs(const Step& step, std::span<const Tensor> inputs, std::size_t count);

// Computes `outputs`, which were inferred from `inputs`, on this thread; they get memory of their own.
void evaluate(const Step& step, std::span<const Tensor> inputs, std::vector<Tensor>& outputs);

}  // namespace sesame::engine
