#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/report.h"
#include "models/model.h"
#include "tools/commands.h"
#include "tools/options.h"

namespace sesame::tools {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string model;
  std::string precision = "auto";
  AttentionPrecision attention = AttentionPrecision::automatic;
  bool json = false;
};

constexpr const char* kExamples =
    "A layer that is recognised runs as one fused step; what is not runs operator by operator, and the reason is "
    "given:\n"
    "the node where matching failed, what was expected there and what was found.\n\n"
    "Examples:\n"
    "  sesame inspect models/intent\n"
    "  sesame inspect models/intent --json | jq .unfused\n";

std::string qualified(const engine::Node& node) { return node.domain.empty() ? node.op : node.domain + "." + node.op; }

// What the plan runs, by operator.
std::map<std::string, int> plan_operators(const LoadedModel& model) {
  std::map<std::string, int> counts;
  for (const engine::Node& node : model.plan->graph().nodes) ++counts[qualified(node)];
  return counts;
}

// A declared shape as the file spells it: [batch, sequence, 151], ? where a dimension has neither size nor name.
std::vector<std::string> dimensions(const engine::Value& value) {
  std::vector<std::string> dims;
  if (!value.declared_shape) return dims;
  for (std::size_t i = 0; i < value.declared_shape->size(); ++i) {
    const std::int64_t dim = (*value.declared_shape)[i];
    const bool named = i < value.declared_dim_names.size() && !value.declared_dim_names[i].empty();
    dims.push_back(dim >= 0 ? std::to_string(dim) : named ? value.declared_dim_names[i] : "?");
  }
  return dims;
}

std::string type_name(const engine::Value& value) {
  return value.declared_type ? std::string(engine::name(*value.declared_type)) : "?";
}

Json values_json(const engine::Graph& graph, const std::vector<engine::ValueId>& ids) {
  Json list = Json::array();
  for (const engine::ValueId id : ids) {
    const engine::Value& value = graph.value(id);
    list.push_back({{"name", value.name}, {"type", type_name(value)}, {"shape", dimensions(value)}});
  }
  return list;
}

// The version of ONNX's own operators; exporters spell its domain in two ways.
int onnx_opset(const std::map<std::string, int>& opsets) {
  for (const char* domain : {"", "ai.onnx"}) {
    const auto found = opsets.find(domain);
    if (found != opsets.end()) return found->second;
  }
  return 0;
}

Json unfused_json(const models::Recognition& recognition) {
  Json list = Json::array();
  for (const models::Unfused& each : recognition.unfused) {
    list.push_back({{"node", each.node}, {"op", each.op}, {"expected", each.expected}, {"found", each.found}});
  }
  return list;
}

Json to_json(const LoadedModel& model) {
  const engine::Graph& graph = model.plan->graph();
  return {{"producer", model.source.producer},
          {"opset", onnx_opset(model.source.opset)},
          {"opsets", model.source.opset},
          {"layers_total", model.recognition.layers_total},
          {"layers_recognised", model.recognition.layers_recognised},
          {"unfused", unfused_json(model.recognition)},
          {"operators", model.source.operators},
          {"quantization", model.source.quantization},
          {"parameters", model.source.parameters},
          {"bytes", model.source.bytes},
          {"inputs", values_json(graph, graph.inputs)},
          {"outputs", values_json(graph, graph.outputs)},
          {"precision", name(model.precision)},
          {"structs", model.recognition.structs},
          {"plan", plan_operators(model)},
          {"memory_bytes", model.weight_bytes}};
}

std::string counts_text(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [op, count] : counts) text += (text.empty() ? "" : ", ") + op + " " + std::to_string(count);
  return text.empty() ? "none" : text;
}

void print_values(const char* heading, const engine::Graph& graph, const std::vector<engine::ValueId>& ids) {
  for (const engine::ValueId id : ids) {
    const engine::Value& value = graph.value(id);
    std::string dims;
    for (const std::string& each : dimensions(value)) dims += (dims.empty() ? "" : ", ") + each;
    std::cout << heading << value.name << ' ' << type_name(value) << " [" << dims << "]\n";
  }
}

std::string mib(double bytes) { return bench::fixed(bytes / 0x1p20, 1) + " MiB"; }

void print(const std::string& path, const LoadedModel& model) {
  const engine::Graph& graph = model.plan->graph();
  const models::SourceGraph& source = model.source;
  const models::Recognition& recognition = model.recognition;
  std::cout << path << "\nproducer      " << source.producer << ", opset " << onnx_opset(source.opset) << '\n';
  print_values("input         ", graph, graph.inputs);
  print_values("output        ", graph, graph.outputs);
  std::cout << "parameters    " << source.parameters << ", " << mib(static_cast<double>(source.bytes))
            << " in the file, " << mib(static_cast<double>(model.weight_bytes)) << " in memory as "
            << name(model.precision) << '\n';
  std::cout << "operators     " << counts_text(source.operators) << '\n';
  if (source.quantization.empty()) std::cout << "quantization  none\n";
  for (const std::string& each : source.quantization) std::cout << "quantization  " << each << '\n';
  std::cout << "layers        " << recognition.layers_recognised << " of " << recognition.layers_total
            << " recognised\n";
  for (const std::string& each : recognition.structs) std::cout << "runs as       " << each << '\n';
  std::cout << "plan          " << counts_text(plan_operators(model)) << '\n';
  for (const models::Unfused& each : recognition.unfused) {
    std::cout << "unfused       node '" << each.node << "' (" << each.op << "): expected " << each.expected
              << ", found " << each.found << '\n';
  }
}

int run_inspect(const InspectOptions& options) {
  const auto model =
      Model::load(options.model, {.precision = parse_precision(options.precision), .attention = options.attention});
  if (options.json) {
    std::cout << to_json(model->loaded()).dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    print(options.model, model->loaded());
  }
  return 0;
}

}  // namespace

void add_inspect_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show what was recognised in a model, what was not, and why");
  add_model(*command, options->model);
  add_precision(*command, options->precision);
  add_attention(*command, options->attention);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_inspect(*options); }; });
}

}  // namespace sesame::tools
