// The ranges that a model's values take on texts, each at its own length.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "engine/graph.h"
#include "engine/quantizer/calibration.h"
#include "models/loading.h"

namespace sesame::models {

// Told now and then which share of the texts is done.
using CalibrationProgress = std::function<void(double share)>;

// Runs the graph, the source's or one with its inputs, operator by operator over the texts, and hands its float outputs
// to `take`. Texts that are to keep their order come one by one; else shorter ones come first, some of one length at a
// time. Nothing is ever padded. Memory does not grow with the number of texts, but for their tokens. Throws Error: a
// model without tokenizer, or with inputs that text does not give.
using TakeOutputs = std::function<void(std::span<const engine::Tensor> outputs)>;
void run_texts(const SourceModel& source, engine::Graph graph, std::span<const std::string> texts, bool keep_order,
               const TakeOutputs& take, const CalibrationProgress& progress = {});

// Runs `graph`, which is `model`'s with its constants folded, in fp32 and observes `values`. Throws Error besides: a
// value that is not float, NaN or infinity in one.
engine::Observers observe_values(const std::filesystem::path& model, const engine::Graph& graph,
                                 std::span<const std::string> values, std::span<const std::string> texts,
                                 const engine::CalibrationOptions& options, const CalibrationProgress& progress = {});

}  // namespace sesame::models
