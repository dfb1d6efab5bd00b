#include "engine/evaluate.h"

#include <algorithm>

#include "kernels/fp_env.h"
#include "kernels/table.h"

namespace sesame::engine {

namespace {

Tensor scratch_of(std::size_t bytes) { return Tensor::allocate(DType::u8, {static_cast<std::int64_t>(bytes)}); }

void run_phases_here(const Step& step, const Execution& execution) {
  for (std::size_t phase = 0;; ++phase) {
    const std::ptrdiff_t items = step.items(execution, phase);
    if (items < 0) return;
    for (std::ptrdiff_t i = 0; i < items; ++i) step.run(execution, phase, static_cast<std::size_t>(i), 0);
  }
}

}  // namespace

std::optional<std::vector<Tensor>> infer_outputs(const Step& step, std::span<const Tensor> inputs, std::size_t count) {
  std::vector<Tensor> outputs(count);
  try {
    Inference io(inputs, outputs);
    step.infer(io);
  } catch (const NeedsValue&) {
    return std::nullopt;
  }
  return outputs;
}

void evaluate(const Step& step, std::span<const Tensor> inputs, std::vector<Tensor>& outputs) {
  const Tensor scratch = scratch_of(step.scratch_bytes(inputs, outputs));
  const Tensor worker_scratch = scratch_of(step.worker_scratch_bytes(inputs, outputs));
  for (Tensor& output : outputs) {
    if (output) output = Tensor::allocate(output.type(), output.shape());
  }
  const RunOptions options;
  std::byte* const workers[] = {static_cast<std::byte*>(worker_scratch.raw())};
  Execution execution{};
  execution.inputs = inputs;
  execution.outputs = outputs;
  execution.kernels = &kernels::table(kernels::default_isa());
  execution.options = &options;
  execution.scratch = static_cast<std::byte*>(scratch.raw());
  execution.worker_scratch = workers;
  const kernels::DefaultFpEnvironment fp_environment;
  run_phases_here(step, execution);
}

}  // namespace sesame::engine
