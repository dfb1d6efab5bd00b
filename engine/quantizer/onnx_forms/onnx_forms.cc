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

int opset_of(const Graph& graph) {
  const auto onnx = graph.opsets.find(kOnnx);
  return onnx == graph.opsets.end() ? 0 : onnx->second;
}

void check_opset(const Graph& graph, const OnnxFormOptions& options) {
  const int oldest = options.form == OnnxForm::integer_ops ? 11 : 10;  // DynamicQuantizeLinear, QuantizeLinear
  const int found = opset_of(graph);
  if (found >= oldest) return;
  throw Error(std::string(name(options.form)) + ": expected opset " + std::to_string(oldest) + " or newer, found " +
              std::to_string(found));
}

// Scales a channel become one where the opset's DequantizeLinear has no axis.
OnnxFormOptions expressible(const Graph& graph, OnnxFormOptions options, std::vector<std::string>& notes) {
  const int opset = opset_of(graph);
  if (options.form != OnnxForm::qdq || !options.per_channel || opset >= 13) return options;
  options.per_channel = false;
  notes.push_back("weights have a scale a tensor: opset " + std::to_string(opset) + " has none a channel in qdq");
  return options;
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

OnnxFormReport to_onnx_form(Graph& graph, const OnnxFormOptions& wanted, Ranges ranges) {
  check_opset(graph, wanted);
  Targets targets = find_targets(graph, wanted, &ranges);
  OnnxFormReport report{{}, std::move(targets.notes)};
  const OnnxFormOptions options = expressible(graph, wanted, report.notes);
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
