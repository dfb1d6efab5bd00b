// Where the parts of a model are.
#pragma once

#include <filesystem>

namespace sesame {

struct ModelLocation {
  std::filesystem::path onnx;
  std::filesystem::path folder;  // of config and tokenizer
};

// `path` is a folder in the Hugging Face layout or an .onnx file. Throws Error when there is none.
ModelLocation locate_model(const std::filesystem::path& path);

}  // namespace sesame
