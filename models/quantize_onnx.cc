#include "models/quantize_onnx.h"

#include <system_error>

#include "engine/folding.h"
#include "engine/onnx_reader.h"
#include "engine/onnx_writer.h"
#include "models/files.h"
#include "models/model_location.h"
#include "models/staged_folder.h"
#include "models/tokenizers/tokenizer.h"
#include "sesame/error.h"

namespace sesame::models {

namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model.onnx";

void copy_text_files(const fs::path& from, const fs::path& to) {
  std::vector<std::string> names = tokenizer_files(FolderFiles(from));
  names.emplace_back("config.json");
  for (const std::string& name : names) {
    if (!fs::exists(from / name)) continue;
    fs::copy_file(from / name, to / name);
    fs::permissions(to / name, fs::perms::owner_write, fs::perm_options::add);  // also of a copy of a read-only file
  }
}

void refuse_same_file(const fs::path& model, const fs::path& out) {
  std::error_code ignored;
  if (fs::equivalent(model, out, ignored)) {
    throw Error(out.string() + ": expected another file than the model that is quantized, found the same");
  }
}

void write_folder(const engine::Graph& graph, const fs::path& source, const fs::path& folder) try {
  StagedFolder stage(folder);
  copy_text_files(source, stage.path());
  engine::write_onnx(graph, stage.path() / kModel);
  stage.publish(kModel);
} catch (const fs::filesystem_error& error) {
  throw Error(error.path1().string() + ": " + error.code().message());
}

}  // namespace

engine::OnnxFormReport quantize_to_onnx(const fs::path& model, const fs::path& out,
                                        const engine::OnnxFormOptions& options, const FindRanges& find_ranges) {
  const ModelLocation location = locate_model(model);
  const bool is_file = out.extension() == ".onnx";
  refuse_same_file(location.onnx, is_file ? out : out / kModel);
  engine::Graph graph = engine::read_onnx(location.onnx);
  engine::OnnxFormReport report;
  try {
    engine::fold_constants(graph);
    const auto values = engine::values_to_calibrate(graph, options);
    if (!values.empty() && !find_ranges) {
      throw Error(std::string(name(options.form)) + " is static: expected texts to calibrate on, found none");
    }
    report = engine::to_onnx_form(graph, options, values.empty() ? engine::Ranges() : find_ranges(graph, values));
  } catch (const Error& error) {
    throw Error(location.onnx.string() + ": " + error.what());
  }
  if (is_file) {
    engine::write_onnx(graph, out);
  } else {
    write_folder(graph, location.folder, out);
  }
  return report;
}

}  // namespace sesame::models
