// A float model's file to an int8 one in a form that ONNX Runtime runs.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/quantizer/onnx_forms/onnx_forms.h"

namespace sesame::models {

// The ranges of these values of a graph, for the static forms.
using FindRanges = std::function<engine::Ranges(const engine::Graph& graph, const std::vector<std::string>& values)>;

// What to do with a graph in which there is nothing to quantize.
enum class IfNothing { refuse, write };

// Reads `model` (a folder or an .onnx file), rewrites its graph (engine/quantizer/onnx_forms) and writes `out`: a file
// when its name ends in .onnx, otherwise a folder, with config and tokenizer copied beside the model. The same input
// and options give the same bytes. What was at `out` stays whole until the new model is complete. Throws Error, the
// file's name first: what read_onnx and to_onnx_form refuse, an `out` that is `model` itself.
engine::OnnxFormReport quantize_to_onnx(const std::filesystem::path& model, const std::filesystem::path& out,
                                        const engine::OnnxFormOptions& options, const FindRanges& find_ranges = {},
                                        IfNothing if_nothing = IfNothing::refuse);

}  // namespace sesame::models
