#include "bench/quantized_copies.h"

#include <cstdlib>

#include "models/quantize_onnx.h"
#include "sesame/error.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;

fs::path make_temporary_folder() {
  std::string name = (fs::temp_directory_path() / "sesame-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw Error(name + ": could not be made");
  return name;
}

}  // namespace

QuantizedCopies::~QuantizedCopies() {
  std::error_code ignored;
  if (!root_.empty()) fs::remove_all(root_, ignored);
}

const fs::path& QuantizedCopies::folder(const std::string& form) {
  const auto known = folders_.find(form);
  if (known != folders_.end()) return known->second;
  if (root_.empty()) root_ = make_temporary_folder();
  engine::OnnxFormOptions options;
  options.form = engine::parse_onnx_form(form);
  const fs::path folder = root_ / form;
  models::quantize_to_onnx(model_, folder, options);
  return folders_.emplace(form, folder).first->second;
}

}  // namespace sesame::bench
