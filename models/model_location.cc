#include "models/model_location.h"

#include <system_error>

#include "sesame/error.h"

namespace sesame {

namespace fs = std::filesystem;

ModelLocation locate_model(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw Error(path.string() + ": no such file or folder");
  if (!fs::is_directory(path, ignored)) return {path, path.parent_path()};
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (fs::exists(path / name, ignored)) return {path / name, path};
  }
  throw Error(path.string() + ": expected model.onnx or onnx/model.onnx in this folder, found neither");
}

}  // namespace sesame
