#include "models/model.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/container.h"
#include "engine/folding.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/onnx_reader.h"
#include "engine/quantize_linears.h"
#include "engine/row_table.h"
#include "engine/shape_probe.h"
#include "engine/step.h"
#include "engine/steps/linear_step.h"
#include "engine/steps/quantized_linear_step.h"
#include "models/equalization.h"
#include "models/graph_quantization.h"
#include "models/loading.h"
#include "models/model_location.h"
#include "models/packed_model.h"

namespace sesame {

namespace {

namespace fs = std::filesystem;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

void assign_inputs(LoadedModel& model, const engine::Graph& graph) {
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const std::string& name = graph.value(graph.inputs[i]).name;
    const auto index = static_cast<int>(i);
    if (contains(name, "mask")) {
      model.attention_mask = index;
    } else if (contains(name, "type") || contains(name, "segment")) {
      model.token_type_ids = index;
    } else if (contains(name, "position")) {
      continue;  // nothing that text gives
    } else if (model.input_ids < 0 && (contains(name, "ids") || graph.inputs.size() == 1)) {
      model.input_ids = index;
    }
  }
}

// Whether the token types, cast or not, index a table of one row.
bool indexes_one_row(const engine::Graph& graph, const engine::Uses& uses, engine::ValueId types, int casts = 2) {
  for (const int n : uses.readers(types)) {
    const engine::Node& node = graph.nodes[static_cast<std::size_t>(n)];
    const auto lookup = engine::row_lookup(graph, node);
    if (lookup && lookup->ids == types && lookup->table.size() == 1) return true;
    if (casts > 0 && node.is("Cast") && indexes_one_row(graph, uses, node.output(0), casts - 1)) return true;
  }
  return false;
}

// Classes of the first output when it is [batch, classes].
std::optional<std::size_t> classes(const engine::Graph& graph, const engine::ShapeProbe& probe) {
  if (graph.outputs.empty()) return std::nullopt;
  const auto& shape = probe.shape(graph.outputs[0]);
  if (!shape || shape->size() != 2 || !(*shape)[1].is_constant()) return std::nullopt;
  return static_cast<std::size_t>((*shape)[1].first);
}

std::vector<std::string> make_labels(const ModelConfig& config, std::size_t count) {
  std::vector<std::string> labels(count);
  const bool fits = config.labels.size() == count;
  for (std::size_t i = 0; i < count; ++i) labels[i] = fits ? config.labels[i] : "LABEL_" + std::to_string(i);
  return labels;
}

std::size_t token_limit(const LoadedModel& model, const engine::Graph& graph) {
  std::int64_t limit = model.config.max_tokens().value_or(std::numeric_limits<std::int64_t>::max());
  if (model.recognition.position_rows) limit = std::min(limit, *model.recognition.position_rows);
  if (model.input_ids >= 0) {
    const auto& shape = graph.value(graph.inputs[static_cast<std::size_t>(model.input_ids)]).declared_shape;
    if (shape && shape->size() == 2 && (*shape)[1] > 0) limit = std::min(limit, (*shape)[1]);
  }
  return static_cast<std::size_t>(limit);
}

// The raw weights that were packed are not needed any more.
void release_unused_constants(engine::Graph& graph) {
  const engine::Uses uses(graph);
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    const auto id = static_cast<engine::ValueId>(v);
    if (uses.readers(id).empty() && !uses.is_graph_output(id)) graph.value(id).constant = engine::Tensor();
  }
}

std::size_t memory_of(const engine::Plan& plan) {
  std::size_t bytes = 0;
  std::set<const engine::Step*> counted;  // nodes that share weights share their step
  for (std::size_t n = 0; n < plan.steps(); ++n) {
    if (counted.insert(&plan.step(n)).second) bytes += plan.step(n).weight_bytes();
  }
  const engine::Graph& graph = plan.graph();
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    const engine::Tensor& t = graph.value(static_cast<engine::ValueId>(v)).constant;
    if (t) bytes += t.bytes();
  }
  return bytes;
}

// In place of an operator that there is none for.
class MissingStep final : public engine::Operator {
 public:
  explicit MissingStep(std::string why) : why_(std::move(why)) {}
  void infer(engine::Inference&) const override { throw Error(why_); }
  void compute(const engine::Execution&) const override { throw Error(why_); }

 private:
  std::string why_;
};

void describe_missing(engine::Graph& graph, models::Recognition& recognition) {
  for (engine::Node& node : graph.nodes) {
    if (node.step || node.is("Linear", engine::kSesame) || node.is("QuantizedLinear", engine::kSesame)) continue;
    try {
      engine::make_step(graph, node);
    } catch (const Error& e) {
      node.step = std::make_shared<MissingStep>(e.what());
      const std::string name = node.name.empty() ? graph.value(node.output(0)).name : node.name;
      recognition.unfused.push_back({name, node.op, "an operator that can be run", e.what()});
    }
  }
}

// Runs fn; an Error gets the file's name in front.
template <class Fn>
decltype(auto) with_file(const fs::path& file, Fn&& fn) {
  try {
    return fn();
  } catch (const Error& e) {
    throw Error(file.string() + ": " + e.what());
  }
}

// Whether a Linear's rows, or a graph's own quantization, have a scale a tensor that is found while running.
bool finds_tensor_scales(const engine::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const engine::Node& node) {
    const bool is_shared = node.is("Linear", engine::kSesame) && node.attributes.text("rows", "row") == "tensor";
    return is_shared || node.op.find("DynamicQuantize") != std::string::npos;
  });
}

void plan_graph(LoadedModel& model, engine::Graph graph, AttentionPrecision attention, MissingOperators missing) {
  assign_inputs(model, graph);
  model.depends_on_batch = finds_tensor_scales(graph);
  model.has_one_type =
      model.token_type_ids >= 0 &&
      indexes_one_row(graph, engine::Uses(graph), graph.inputs[static_cast<std::size_t>(model.token_type_ids)]);
  const std::optional<std::size_t> class_count = classes(graph, engine::ShapeProbe(graph));
  model.recognition = models::recognise_encoders(graph, attention_beside(model.precision, attention));
  if (missing == MissingOperators::described) describe_missing(graph, model.recognition);
  if (class_count) model.labels = make_labels(model.config, *class_count);
  engine::pack_linears(graph);
  engine::pack_quantized_linears(graph);
  engine::fuse_rows(graph);
  release_unused_constants(graph);
  model.plan = std::make_shared<const engine::Plan>(std::move(graph));
}

}  // namespace

SourceModel read_source(const fs::path& path) {
  const ModelLocation files = locate_model(path);
  SourceModel source;
  source.files = std::make_shared<const FolderFiles>(files.folder);
  source.model.onnx_file = files.onnx;
  source.model.config = read_model_config(*source.files);
  if (!tokenizer_files(*source.files).empty()) source.model.tokenizer = load_tokenizer(*source.files);
  source.graph = engine::read_onnx(files.onnx);
  with_file(files.onnx, [&] {
    source.model.source = models::describe_source(source.graph);
    engine::fold_constants(source.graph);
    engine::to_normal_forms(source.graph);
    std::vector<std::string>& quantization = source.model.source.quantization;
    const auto by_layer = models::describe_quantization(source.graph, source.model.source.operators);
    quantization.insert(quantization.begin(), by_layer.begin(), by_layer.end());
  });
  return source;
}

void quantize_graph(engine::Graph& graph, Precision precision) {
  if (precision == Precision::bf16) engine::quantize_linears(graph, engine::LinearPrecision::bf16);
  if (precision != Precision::int8) return;
  engine::quantize_linears(graph);
  models::equalize_attention(graph);
}

AttentionPrecision attention_beside(Precision linears, AttentionPrecision asked) {
  if (asked != AttentionPrecision::automatic) return asked;
  if (linears == Precision::int8) return AttentionPrecision::int8;
  return linears == Precision::bf16 ? AttentionPrecision::bf16 : AttentionPrecision::fp32;
}

std::shared_ptr<const LoadedModel> finish_model(const LoadedModel& model, engine::Graph graph, Precision precision,
                                                AttentionPrecision attention, MissingOperators missing) {
  auto finished = std::make_shared<LoadedModel>(model);
  finished->precision = precision;
  with_file(model.onnx_file, [&] { plan_graph(*finished, std::move(graph), attention, missing); });
  finished->max_tokens = token_limit(*finished, finished->plan->graph());
  finished->weight_bytes = memory_of(*finished->plan);
  return finished;
}

std::shared_ptr<const LoadedModel> plan_operators(const SourceModel& source, engine::Graph graph) {
  auto planned = std::make_shared<LoadedModel>(source.model);
  // The rows of the position table are known where the encoder is recognised.
  planned->max_tokens = finish_model(source.model, source.graph, Precision::fp32, AttentionPrecision::fp32)->max_tokens;
  with_file(source.model.onnx_file, [&] {
    engine::to_normal_forms(graph);
    assign_inputs(*planned, graph);
    engine::pack_linears(graph);
    engine::pack_quantized_linears(graph);
    release_unused_constants(graph);
    planned->plan = std::make_shared<const engine::Plan>(std::move(graph));
  });
  return planned;
}

std::shared_ptr<const LoadedModel> load_model(const fs::path& path, const ModelOptions& options,
                                              MissingOperators missing) {
  if (engine::is_container(path)) return models::load_packed_model(path, options);
  SourceModel source = read_source(path);
  const Precision precision = options.precision == Precision::automatic ? Precision::fp32 : options.precision;
  with_file(source.model.onnx_file, [&] { quantize_graph(source.graph, precision); });
  return finish_model(source.model, std::move(source.graph), precision, options.attention, missing);
}

std::string_view name(Precision precision) {
  switch (precision) {
    case Precision::automatic:
      return "auto";
    case Precision::fp32:
      return "fp32";
    case Precision::bf16:
      return "bf16";
    case Precision::int8:
      break;
  }
  return "int8";
}

Precision parse_precision(std::string_view text) {
  for (Precision p : {Precision::automatic, Precision::fp32, Precision::bf16, Precision::int8}) {
    if (text == name(p)) return p;
  }
  throw Error("expected fp32, bf16, int8 or auto as precision, found '" + std::string(text) + "'");
}

std::string_view name(AttentionPrecision precision) {
  switch (precision) {
    case AttentionPrecision::automatic:
      return "auto";
    case AttentionPrecision::fp32:
      return "fp32";
    case AttentionPrecision::bf16:
      return "bf16";
    case AttentionPrecision::int8:
      break;
  }
  return "int8";
}

AttentionPrecision parse_attention_precision(std::string_view text) {
  for (AttentionPrecision p :
       {AttentionPrecision::automatic, AttentionPrecision::fp32, AttentionPrecision::bf16, AttentionPrecision::int8}) {
    if (text == name(p)) return p;
  }
  throw Error("expected fp32, bf16, int8 or auto as attention, found '" + std::string(text) + "'");
}

Model::Model(std::shared_ptr<const LoadedModel> loaded) : loaded_(std::move(loaded)) {}

std::shared_ptr<const Model> Model::load(const fs::path& path, const ModelOptions& options) {
  return std::make_shared<const Model>(load_model(path, options));
}

const std::vector<std::string>& Model::labels() const { return loaded_->labels; }
std::size_t Model::max_tokens() const { return loaded_->max_tokens; }
Precision Model::precision() const { return loaded_->precision; }

}  // namespace sesame
