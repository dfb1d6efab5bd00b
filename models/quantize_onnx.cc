#include "models/quantize_onnx.h"

#include <system_error>
#include <utility>

#include "engine/finite_weights.h"
#include "engine/folding.h"
#include "engine/normal_forms/normal_forms.h"
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

[[noreturn]] void refuse_nothing(const engine::OnnxFormReport& report) {
  std::string why;
  for (const std::string& note : report.notes) why += (why.empty() ? " (" : "; ") + note;
  throw Error("expected nodes to quantize, found none of the operators asked for" + why + (why.empty() ? "" : ")"));
}

void write_folder(const engine::Graph& graph, const fs::path& source, const fs::path& folder) try {
  StagedFolder stage(folder);
  copy_text_files(source, stage.path());
  engine::write_onnx(graph, stage.path() / kModel);
  stage.publish(kModel);
} catch (const fs::filesystem_error& error) {
  throw Error(error.path1().string() + ": " + error.code().message());
}

// float16 becomes fp32 but for inputs and outputs. Casts at the border are of the graph's own opset, in all of which
// they mean the same. Returns whether there was any.
bool widen(engine::Graph& graph) {
  const auto opset = graph.opsets.find(engine::kOnnx);
  if (opset == graph.opsets.end() || !engine::widen_halves(graph)) return false;
  for (engine::Node& node : graph.nodes) {
    if (node.is("Cast")) node.version = opset->second;
  }
  return true;
}

// Runs fn; an Error gets the file's name in front.
template <class Fn>
auto with_file(const fs::path& file, Fn&& fn) {
  try {
    return fn();
  } catch (const Error& error) {
    throw Error(file.string() + ": " + error.what());
  }
}

}  // namespace

engine::OnnxFormReport quantize_to_onnx(const fs::path& model, const fs::path& out,
                                        const engine::OnnxFormOptions& options, const FindRanges& find_ranges,
                                        IfNothing if_nothing) {
  const ModelLocation location = locate_model(model);
  const bool is_file = out.extension() == ".onnx";
  refuse_same_file(location.onnx, is_file ? out : out / kModel);
  engine::Graph graph = engine::read_onnx(location.onnx);
  bool was_half = false;
  const auto values = with_file(location.onnx, [&] {
    was_half = widen(graph);
    engine::fold_constants(graph);
    engine::require_finite_weights(graph);
    return engine::values_to_calibrate(graph, options);
  });
  if (!values.empty() && !find_ranges) {
    throw Error(std::string(name(options.form)) + " is static: expected texts to calibrate on, found none");
  }
  engine::Ranges ranges;
  if (!values.empty()) ranges = find_ranges(graph, values);
  const engine::OnnxFormReport report = with_file(location.onnx, [&] {
    engine::OnnxFormReport made = engine::to_onnx_form(graph, options, std::move(ranges));
    if (was_half) made.notes.insert(made.notes.begin(), "float16 is widened: what is not quantized becomes fp32");
    if (made.quantized.empty() && if_nothing == IfNothing::refuse) refuse_nothing(made);
    return made;
  });
  if (is_file) {
    engine::write_onnx(graph, out);
  } else {
    write_folder(graph, location.folder, out);
  }
  return report;
}

}  // namespace sesame::models
