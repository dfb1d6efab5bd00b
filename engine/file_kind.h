// What a file that is not an ONNX model is instead.
#pragma once

#include <optional>
#include <string>

#include "engine/mapped_file.h"

namespace sesame::engine {

// "a zip archive", "a git-lfs pointer, not the model: ...", by the first bytes; nothing when they say nothing.
std::optional<std::string> recognised_kind(Bytes file);

}  // namespace sesame::engine
