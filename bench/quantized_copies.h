// int8 files of a fp32 model for peers, written once, gone at the end.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace sesame::bench {

class QuantizedCopies {
 public:
  // `model` is a folder or an .onnx file. Nothing is written yet.
  explicit QuantizedCopies(std::filesystem::path model) : model_(std::move(model)) {}
  ~QuantizedCopies();
  QuantizedCopies(const QuantizedCopies&) = delete;  // it owns the files
  QuantizedCopies& operator=(const QuantizedCopies&) = delete;

  // The folder of the copy in this form ("integerops", "qdq", "qoperator"), config and tokenizer beside model.onnx.
  // Throws Error for a model that can't be quantized so.
  const std::filesystem::path& folder(const std::string& form);

 private:
  std::filesystem::path model_;
  std::filesystem::path root_;
  std::map<std::string, std::filesystem::path> folders_;
};

}  // namespace sesame::bench
