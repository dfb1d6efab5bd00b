#include "models/packed_model.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/container.h"
#include "engine/normal_forms/matcher.h"
#include "engine/packed_graph.h"
#include "engine/packed_linears.h"
#include "engine/shape_probe.h"
#include "models/graph_quantization.h"
#include "models/json.h"
#include "models/layer_pattern.h"
#include "models/tokenizers/tokenizer.h"

namespace sesame::models {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMetadata = "metadata.json";
constexpr std::string_view kFiles = "files/";

// Queries, keys and values of each layer lie together, as its merged Linear wants them.
engine::SideBySide projections(const engine::Graph& graph) {
  const engine::Matcher m(graph);
  const engine::ShapeProbe probe(graph);
  engine::SideBySide groups;
  for (const engine::Node& node : graph.nodes) {
    Mismatch why;
    if (!is_attention_softmax(probe, node)) continue;
    const auto attention = match_attention(m, probe, node, why);
    if (const auto layer = attention ? match_layer(m, probe, *attention, why) : std::nullopt) {
      groups.push_back({layer->query->output(0), layer->key->output(0), layer->value->output(0)});
    }
  }
  return groups;
}

Json source_json(const SourceGraph& source) {
  return {{"producer", source.producer},         {"opset", source.opset},           {"operators", source.operators},
          {"quantization", source.quantization}, {"parameters", source.parameters}, {"bytes", source.bytes}};
}

SourceGraph read_source_graph(const Field& field) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  SourceGraph source;
  source.producer = field.at("producer").string();
  for (const auto& [domain, version] : field.at("opset").object().items()) {
    source.opset[domain] = static_cast<int>(field.at("opset").at(domain).integer(0, 1 << 20));
  }
  for (const auto& [name, count] : field.at("operators").object().items()) {
    source.operators[name] = static_cast<int>(field.at("operators").at(name).integer(0, 1 << 30));
  }
  const Field quantization = field.at("quantization");
  quantization.array();
  for (std::size_t i = 0; i < quantization.size(); ++i) source.quantization.push_back(quantization.element(i).string());
  source.parameters = field.at("parameters").integer(0, kMost);
  source.bytes = field.at("bytes").integer(0, kMost);
  return source;
}

// config.json and tokenizer files, as they were beside the model.
std::vector<std::string> file_names(const FileSet& files) {
  std::vector<std::string> names = tokenizer_files(files);
  for (const char* name : {"config.json", "tokenizer_config.json"}) {
    const bool listed = std::find(names.begin(), names.end(), name) != names.end();
    if (!listed && files.read(name)) names.emplace_back(name);
  }
  return names;
}

MemoryFiles files_of(const engine::Container& container, const std::string& origin) {
  MemoryFiles::Map files;
  for (const auto& [name, bytes] : container.sections()) {
    if (name.starts_with(kFiles)) files.emplace(name.substr(kFiles.size()), container.text(name));
  }
  return {origin, std::move(files)};
}

// What the quantizer did, for people.
std::string describe_quantizer(const Field& made) {
  std::string line = "activations " + made.string_or("activations", "unknown");
  if (made.find("calibration")) line += " (" + made.string_or("calibration", "") + ")";
  line += ", weights int8 " + made.string_or("weights", "") + ", " +
          std::to_string(made.integer_or("weight_bits", 1, 8, 8)) + " bits";
  std::map<std::string, std::size_t> precisions;  // of groups of Linears that read the same rows
  if (const auto linears = made.find("linears")) {
    linears->array();
    for (std::size_t i = 0; i < linears->size(); ++i) ++precisions[linears->element(i).string_or("precision", "int8")];
  }
  for (const char* kept : {"bf16", "fp32"}) {
    if (precisions[kept] > 0) line += ", " + std::to_string(precisions[kept]) + " inputs' Linears in " + kept;
  }
  return line + ", embeddings " + made.string_or("embeddings", "fp32");
}

// A file's precision is what was packed: another one would need the weights as they were.
Precision checked_precision(const Field& metadata, const std::string& label, const ModelOptions& options) {
  const Precision held = parse_precision(metadata.at("precision").string());
  if (held == Precision::automatic) metadata.at("precision").refuse("a precision");
  if (options.precision != Precision::automatic && options.precision != held) {
    throw Error(label + ": expected precision " + std::string(name(held)) +
                ", which the packed model holds, or auto, found " + std::string(name(options.precision)));
  }
  return held;
}

}  // namespace

std::shared_ptr<const LoadedModel> load_packed_model(const std::filesystem::path& path, const ModelOptions& options) {
  const auto container = engine::Container::open(path);
  const std::string label = path.string();
  const nlohmann::json json = parse_json(container->text(kMetadata), label + ": " + std::string(kMetadata));
  const Field metadata(json, label + ": " + std::string(kMetadata));
  const MemoryFiles files = files_of(*container, label);
  LoadedModel model;
  model.onnx_file = path;
  model.config = read_model_config(files);
  if (!tokenizer_files(files).empty()) model.tokenizer = load_tokenizer(files);
  model.source = read_source_graph(metadata.at("source"));
  if (const auto made = metadata.find("quantization")) {
    model.source.quantization.push_back(describe_quantizer(*made));
    if (made->string_or("activations", "").ends_with("per tensor")) {
      model.source.quantization.emplace_back(kDependsOnBatch);
    }
  }
  AttentionPrecision attention = options.attention;
  if (attention == AttentionPrecision::automatic)
    attention = parse_attention_precision(metadata.at("attention").string());
  const Precision precision = checked_precision(metadata, label, options);
  engine::Graph graph;
  try {
    graph = engine::read_graph(*container);
  } catch (const Error& error) {
    throw Error(label + ": " + error.what());
  }
  return finish_model(model, std::move(graph), precision, attention);
}

MemoryFiles packed_files(const std::filesystem::path& path) {
  return files_of(*engine::Container::open(path), path.string());
}

void write_packed_model(const SourceModel& source, engine::Graph graph, const PackedAs& as,
                        const std::filesystem::path& to) {
  engine::pack_constants(graph, projections(graph));
  Json metadata = {{"format", "sesame packed model"},
                   {"precision", name(as.precision)},
                   {"attention", name(as.attention)},
                   {"labels", source.model.config.labels},
                   {"source", source_json(source.model.source)}};
  if (!as.quantization.empty()) metadata["quantization"] = Json::parse(as.quantization);
  engine::ContainerWriter writer;
  writer.add_copy(std::string(kMetadata), metadata.dump(1, ' ', false, Json::error_handler_t::replace));
  for (const std::string& file : file_names(*source.files)) {
    writer.add_copy(std::string(kFiles) + file, source.files->read(file).value_or(""));
  }
  engine::add_graph(graph, writer);
  writer.write(to);
}

}  // namespace sesame::models
