#include "engine/quantizer/onnx_forms/onnx_forms.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/quantizer/onnx_forms/form_builder.h"
#include "engine/quantizer/onnx_forms/scalar_sums.h"
#include "engine/quantizer/onnx_forms/targets.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::array kForms = {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator};

// The opset in which the form's operators are what is written here.
int oldest_opset(const OnnxFormOptions& options) {
  if (options.form == OnnxForm::integer_ops) return 11;                 // DynamicQuantizeLinear
  if (options.form == OnnxForm::qdq && options.per_channel) return 13;  // DequantizeLinear's axis
  return 10;
}

void check_opset(const Graph& graph, const OnnxFormOptions& options) {
  const auto onnx = graph.opsets.find(kOnnx);
  const int found = onnx == graph.opsets.end() ? 0 : onnx->second;
  const int oldest = oldest_opset(options);
  if (found >= oldest) return;
  std::string what(name(options.form));
  if (oldest == 13) what += " with scales a channel";
  throw Error(what + ": expected opset " + std::to_string(oldest) + " or newer, found " + std::to_string(found));
}

}  // namespace

std::string_view name(OnnxForm form) {
  switch (form) {
    case OnnxForm::integer_ops:
      return "integerops";
    case OnnxForm::qdq:
      return "qdq";
    case OnnxForm::qoperator:
      break;
  }
  return "qoperator";
}

OnnxForm parse_onnx_form(std::string_view text) {
  for (const OnnxForm form : kForms) {
    if (text == name(form)) return form;
  }
  throw Error("expected integerops, qdq or qoperator, found '" + std::string(text) + "'");
}

const std::vector<std::string>& quantizable_operators() {
  static const std::vector<std::string> operators = {"MatMul", "Gemm", "Gather", "Add", "Mul"};
  return operators;
}

std::vector<std::string> values_to_calibrate(const Graph& graph, const OnnxFormOptions& options) {
  if (!needs_ranges(options.form)) return {};
  const Targets targets = find_targets(graph, options, nullptr);
  std::set<std::string> names;
  const auto add = [&](ValueId id) {
    if (id != kNoValue && !graph.is_constant(id)) names.insert(graph.value(id).name);
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (targets.roles[n] != Role::matmul && targets.roles[n] != Role::binary) continue;
    std::for_each_n(graph.nodes[n].inputs.begin(), 2, add);
    add(graph.nodes[n].outputs[0]);
  }
  return {names.begin(), names.end()};
}

OnnxFormReport to_onnx_form(Graph& graph, const OnnxFormOptions& options, Ranges ranges) {
  check_opset(graph, options);
  Targets targets = find_targets(graph, options, &ranges);
  OnnxFormReport report{{}, std::move(targets.notes)};
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (targets.roles[n] != Role::none) ++report.quantized[graph.nodes[n].op];
  }
  align_scalar_sums(graph, targets.roles, ranges);
  FormBuilder builder(graph, options);
  switch (options.form) {
    case OnnxForm::integer_ops:
      write_integer_ops(builder, targets.roles);
      break;
    case OnnxForm::qdq:
      write_qdq(builder, targets.roles, ranges);
      break;
    case OnnxForm::qoperator:
      write_qoperator(builder, targets.roles, ranges);
      break;
  }
  builder.finish();
  return report;
}

}  // namespace sesame::engine
