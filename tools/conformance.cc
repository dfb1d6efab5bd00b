#include "tools/conformance.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <new>
#include <set>
#include <span>
#include <string_view>

#include "engine/compare.h"
#include "engine/onnx_reader.h"
#include "engine/plan.h"
#include "models/model.h"

namespace sesame::tools {
namespace {

namespace fs = std::filesystem;

constexpr double kAbsolute = 1e-5;
constexpr double kRelative = 1e-4;
constexpr double kRelativeLowPrecision = 2e-2;
constexpr std::string_view kDataSet = "test_data_set_";

// A made-up input may not be larger: a small file can declare any shape.
constexpr std::size_t kMaxInputBytes = std::size_t{1} << 28;

bool is_quantizing(const engine::Node& node) {
  for (const std::string_view part : {"Quant", "Integer", "QLinear", "QAttention", "QGemm", "QEmbed"}) {
    if (node.op.find(part) != std::string::npos) return true;
  }
  return false;
}

bool casts_to_half(const engine::Node& node) {
  constexpr std::int64_t kFloat16 = 10;  // TensorProto.FLOAT16
  return node.is("Cast") && node.attributes.has("to") && node.attributes.integer("to") == kFloat16;
}

bool is_half(const engine::Value& value) {
  return (value.constant && value.constant.type() == engine::DType::f16) || value.declared_type == engine::DType::f16;
}

// Whether the graph itself rounds more coarsely than float32.
bool is_low_precision(const engine::Graph& graph) {
  for (const engine::Node& node : graph.nodes) {
    if (is_quantizing(node) || casts_to_half(node)) return true;
  }
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    if (is_half(graph.value(static_cast<engine::ValueId>(i)))) return true;
  }
  return false;
}

engine::Tolerance tolerance(const LoadedModel& model, const ConformanceOptions& options) {
  engine::Tolerance tolerance{.absolute = options.absolute.value_or(kAbsolute), .relative = kRelative};
  if (options.relative) {
    tolerance.relative = *options.relative;
  } else if (model.precision != Precision::fp32 || options.attention == AttentionPrecision::int8 ||
             options.attention == AttentionPrecision::bf16 || is_low_precision(engine::read_onnx(model.onnx_file))) {
    tolerance.relative = kRelativeLowPrecision;
  }
  return tolerance;
}

// test_data_set_2 before test_data_set_10.
int data_set_number(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int number = -1;
  std::from_chars(name.data() + kDataSet.size(), name.data() + name.size(), number);
  return number;
}

std::vector<fs::path> find_data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with(kDataSet)) sets.push_back(entry.path());
  }
  std::ranges::sort(sets, {}, [](const fs::path& set) { return std::pair(data_set_number(set), set); });
  return sets;
}

// prefix_0.pb, prefix_1.pb, ...: one for each of `expected` values of the graph, no more and no fewer.
std::vector<engine::Tensor> read_tensors(const fs::path& set, const std::string& prefix, std::size_t expected) {
  std::vector<engine::Tensor> tensors;
  for (;;) {
    const fs::path file = set / (prefix + "_" + std::to_string(tensors.size()) + ".pb");
    if (!fs::exists(file)) break;
    if (tensors.size() == expected) {
      throw Error(set.filename().string() + ": expected " + std::to_string(expected) + " " + prefix +
                  " files as the graph declares, found " + file.filename().string() + " too");
    }
    tensors.push_back(engine::read_tensor_proto(file).tensor);
  }
  if (tensors.size() < expected) {
    throw Error(set.filename().string() + ": expected " + std::to_string(expected) + " " + prefix +
                " files as the graph declares, found " + std::to_string(tensors.size()));
  }
  return tensors;
}

// "[0, 3]" for the flat index of an element.
std::string element(const engine::Shape& shape, std::int64_t flat) {
  engine::Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return engine::to_string(index);
}

// How near an element is to failing; what is not comparable (NaN) is beyond everything.
double badness(double error, double allowed) {
  if (std::isnan(error)) return HUGE_VAL;
  return allowed > 0 ? error / allowed : error > 0 ? HUGE_VAL : 0;
}

// Takes one output's comparison into the case's result.
void record(const engine::Comparison& found, const std::string& where, const engine::Tensor& want, CaseResult& result) {
  if (!found.passed && result.reason.empty()) result.reason = where + ": " + found.problem;
  if (found.place < 0) return;
  if (!result.place.empty() &&
      badness(found.worst_error, found.allowed) <= badness(result.worst_error, result.allowed)) {
    return;
  }
  result.worst_error = found.worst_error;
  result.allowed = found.allowed;
  result.place = where + " " + element(want.shape(), found.place);
}

void run_data_set(const fs::path& set, engine::Runner& runner, const engine::Graph& graph,
                  const engine::Tolerance& tolerance, CaseResult& result) {
  const auto inputs = read_tensors(set, "input", graph.inputs.size());
  const auto wanted = read_tensors(set, "output", graph.outputs.size());
  const auto outputs = runner.run(inputs);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string where = set.filename().string() + " output '" + graph.value(graph.outputs[i]).name + "'";
    record(engine::compare(outputs[i], wanted[i], tolerance), where, wanted[i], result);
  }
  ++result.data_sets;
}

engine::Tensor make_up_input(const engine::Value& input, bool is_mask) {
  if (!input.declared_type || !input.declared_shape) {
    throw Error("input '" + input.name + "': expected a declared type and shape, found none");
  }
  engine::Shape shape = *input.declared_shape;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0) shape[axis] = axis == 0 ? 1 : 8;
  }
  const engine::Tensor described(*input.declared_type, shape);
  if (described.bytes() > kMaxInputBytes) {
    throw Error("input '" + input.name + "': expected at most " + std::to_string(kMaxInputBytes >> 20) +
                " MiB, found the declared shape " + engine::to_string(shape));
  }
  engine::Tensor tensor = engine::Tensor::allocate(*input.declared_type, shape);
  engine::visit(tensor.type(), [&](auto zero) {
    using T = decltype(zero);
    T value{};
    if constexpr (!std::is_same_v<T, engine::Half>) value = static_cast<T>(is_mask ? 1 : 0);
    std::fill_n(tensor.data<T>(), tensor.size(), value);
  });
  return tensor;
}

void run_on_made_up_inputs(engine::Runner& runner, const LoadedModel& model) {
  const engine::Graph& graph = model.plan->graph();
  std::vector<engine::Tensor> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const engine::Value& input = graph.value(graph.inputs[i]);
    const bool is_mask = static_cast<int>(i) == model.attention_mask || input.name.find("mask") != std::string::npos;
    inputs.push_back(make_up_input(input, is_mask));
  }
  runner.run(inputs);
}

void run_loaded_case(const fs::path& folder, const ConformanceOptions& options, CaseResult& result) {
  const auto model =
      Model::load(folder / "model.onnx", {.precision = options.precision, .attention = options.attention});
  const LoadedModel& loaded = model->loaded();
  engine::Runner runner(*loaded.plan, {.threads = options.threads, .padded_positions = true});
  const auto sets = find_data_sets(folder);
  if (sets.empty()) run_on_made_up_inputs(runner, loaded);
  const engine::Tolerance allowed = sets.empty() ? engine::Tolerance{} : tolerance(loaded, options);
  for (const fs::path& set : sets) run_data_set(set, runner, loaded.plan->graph(), allowed, result);
}

// One line, and without the folder that the line of the case begins with anyway.
std::string as_reason(std::string message, const fs::path& folder) {
  const std::string prefix = (folder / "").string();
  if (message.starts_with(prefix)) message.erase(0, prefix.size());
  std::ranges::replace(message, '\n', ' ');
  return message;
}

}  // namespace

std::vector<fs::path> find_cases(const fs::path& root) {
  if (!fs::is_directory(root)) throw Error(root.string() + ": expected a folder, found none");
  std::vector<fs::path> cases;
  std::vector<fs::path> open = {root};
  std::set<fs::path> seen;  // canonical, since links may lead back
  while (!open.empty()) {
    const fs::path folder = std::move(open.back());
    open.pop_back();
    if (!seen.insert(fs::canonical(folder)).second) continue;
    if (fs::exists(folder / "model.onnx")) cases.push_back(folder);
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::error_code dangling;
      if (entry.is_directory(dangling)) open.push_back(entry.path());
    }
  }
  std::ranges::sort(cases);
  return cases;
}

CaseResult run_case(const fs::path& folder, const ConformanceOptions& options) {
  CaseResult result{.folder = folder};
  try {
    run_loaded_case(folder, options, result);
  } catch (const std::bad_alloc&) {
    result.reason = "out of memory";
  } catch (const std::exception& error) {
    result.reason = as_reason(error.what(), folder);
  }
  result.passed = result.reason.empty();
  return result;
}

}  // namespace sesame::tools
