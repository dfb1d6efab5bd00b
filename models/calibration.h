// The ranges that a model's values take on texts.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "engine/graph.h"
#include "engine/quantizer/calibration.h"

namespace sesame::models {

// Told after each text which share of them is done.
using CalibrationProgress = std::function<void(double share)>;

// Runs `graph`, which is `model`'s with its constants folded, in fp32 over each text by itself, at its own length, and
// observes `values`. Memory does not grow with the number of texts. Throws Error: a model without tokenizer, or with
// inputs that text does not give, a value that is not float, NaN or infinity in one.
engine::Observers observe_values(const std::filesystem::path& model, const engine::Graph& graph,
                                 std::span<const std::string> values, std::span<const std::string> texts,
                                 const engine::CalibrationOptions& options, const CalibrationProgress& progress = {});

}  // namespace sesame::models
