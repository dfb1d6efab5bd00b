// int8 files of a fp32 model for peers, written once, gone at the end.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "engine/scratch_folder.h"

namespace sesame::bench {

class QuantizedCopies {
 public:
  // `model` is a folder or an .onnx file. The static forms are calibrated on `texts` (models/calibration_texts.h).
  // Nothing is written yet.
  QuantizedCopies(std::filesystem::path model, std::optional<std::filesystem::path> texts)
      : model_(std::move(model)), texts_(std::move(texts)) {}

  // The folder of the copy in this form ("integerops", "qdq", "qoperator"), config and tokenizer beside model.onnx.
  // Throws Error for a model that can't be quantized so, and for a static form without texts.
  const std::filesystem::path& folder(const std::string& form);

 private:
  std::filesystem::path model_;
  std::optional<std::filesystem::path> texts_;
  std::optional<engine::ScratchFolder> root_;
  std::map<std::string, std::filesystem::path> folders_;
};

}  // namespace sesame::bench
