#include "models/quantization.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/finite_weights.h"
#include "engine/linear.h"
#include "engine/quantize_linears.h"
#include "engine/quantizer/smooth.h"
#include "models/equalization.h"
#include "models/packed_model.h"

namespace sesame::models {

using engine::Graph;
using engine::LinearGroup;
using engine::RowGrid;
using engine::Tensor;

namespace {

using Json = nlohmann::ordered_json;
using Multipliers = std::map<std::string, Tensor>;  // by the input that they smooth

std::vector<std::string> inputs_of(const std::vector<LinearGroup>& groups) {
  std::vector<std::string> names;
  for (const LinearGroup& group : groups) names.push_back(group.input);
  return names;
}

Tensor multiplied(const Tensor& rows, const Tensor& multiplier) {
  Tensor product = rows.clone();
  const auto features = static_cast<std::size_t>(multiplier.size());
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows.size()); ++i) {
    product.data<float>()[i] *= multiplier.data<float>()[i % features];
  }
  return product;
}

class Quantization {
 public:
  Quantization(const SourceModel& source, const QuantizeOptions& options, std::span<const std::string> texts,
               const CalibrationProgress& progress)
      : source_(source), options_(options), texts_(texts), progress_(progress) {
    made_.graph = source.graph;
  }

  QuantizedGraph run() {
    const bool calibrates = options_.rows == RowGrid::fixed || options_.smooth;
    if (calibrates && texts_.empty()) throw Error("expected texts to calibrate with, found none");
    engine::require_finite_weights(made_.graph);
    engine::quantize_linears(made_.graph);
    if (options_.heads) engine::mark_heads(made_.graph);
    if (options_.equalize) equalize_attention(made_.graph);
    made_.groups = engine::quantized_groups(made_.graph);
    if (options_.smooth) smooth();
    if (options_.rows == RowGrid::fixed) calibrate();
    set_schemes();
    if (options_.embeddings) quantize_tables();
    return std::move(made_);
  }

 private:
  engine::LinearScheme scheme() const {
    engine::LinearScheme scheme = engine::LinearPrecision::int8;
    scheme.weights = options_.weights;
    scheme.rows = options_.rows;
    return scheme;
  }

  void quantize_tables() {
    made_.tables = engine::quantize_embeddings(made_.graph);
    if (made_.tables.empty()) throw Error("expected embedding tables to quantize, found none");
  }

  // The graph in fp32, asked for what its quantized Linears read.
  Graph observed() const {
    Graph graph = made_.graph;
    for (const LinearGroup& group : made_.groups) engine::restore_floats(graph, group);
    return engine::observed_graph(std::move(graph), inputs_of(made_.groups));
  }

  void smooth() {
    std::vector<engine::RowSample> samples(made_.groups.size());
    run_texts(
        source_, observed(), texts_, /*keep_order=*/false,
        [&](std::span<const Tensor> outputs) {
          for (std::size_t i = 0; i < outputs.size(); ++i) samples[i].add(outputs[i]);
        },
        progress_);
    for (std::size_t g = 0; g < made_.groups.size(); ++g) smooth(made_.groups[g], samples[g]);
  }

  void smooth(const LinearGroup& group, const engine::RowSample& sample) {
    std::vector<engine::LinearWeights> linears;
    for (std::size_t n : group.nodes) linears.push_back(engine::linear_weights(made_.graph, made_.graph.nodes[n]));
    const auto smoothing = engine::find_smoothing(linears, scheme(), sample);
    if (!smoothing) return;
    made_.alphas[group.input] = smoothing->alpha;
    multipliers_[group.input] = smoothing->multiplier;
    for (std::size_t i = 0; i < linears.size(); ++i) {
      engine::Node& node = made_.graph.nodes[group.nodes[i]];
      const Tensor weight = engine::smoothed(linears[i], smoothing->multiplier).weight;
      node.inputs[1] = made_.graph.add_constant(made_.graph.value(node.inputs[1]).name, weight);
      engine::LinearScheme smooth = scheme();
      smooth.multiplier = smoothing->multiplier;
      engine::set_linear_scheme(node, smooth);
    }
  }

  void calibrate() {
    Graph graph = observed();
    engine::Observers observers(graph, options_.calibration);
    const bool keep_order = options_.calibration.method == engine::CalibrationMethod::moving_average;
    std::vector<Tensor> seen;
    run_texts(
        source_, std::move(graph), texts_, keep_order,
        [&](std::span<const Tensor> outputs) {
          seen.assign(outputs.begin(), outputs.end());
          for (std::size_t i = 0; i < seen.size(); ++i) {
            const auto it = multipliers_.find(made_.groups[i].input);
            if (it != multipliers_.end()) seen[i] = multiplied(seen[i], it->second);
          }
          observers.observe(seen);
        },
        progress_);
    made_.ranges = observers.ranges();
  }

  void set_schemes() {
    engine::set_schemes(made_.graph, made_.groups, scheme(), made_.ranges);
    for (const LinearGroup& group : made_.groups) {
      const auto it = multipliers_.find(group.input);
      if (it == multipliers_.end()) continue;
      for (std::size_t n : group.nodes) {
        engine::LinearScheme smooth = engine::linear_scheme(made_.graph.nodes[n]);
        smooth.multiplier = it->second;
        engine::set_linear_scheme(made_.graph.nodes[n], smooth);
      }
    }
  }

  const SourceModel& source_;
  const QuantizeOptions& options_;
  std::span<const std::string> texts_;
  const CalibrationProgress& progress_;
  Multipliers multipliers_;
  QuantizedGraph made_;
};

std::string rows_name(RowGrid rows) {
  if (rows == RowGrid::fixed) return "static";
  return rows == RowGrid::per_row ? "dynamic, per token" : "dynamic, per tensor";
}

Json linear_json(const Graph& graph, const LinearGroup& group, const QuantizedGraph& quantized) {
  const engine::LinearScheme scheme = engine::linear_scheme(graph.nodes[group.nodes.front()]);
  Json json = {{"linears", describe(graph, group)}, {"precision", name(scheme.precision)}};
  if (scheme.precision == engine::LinearPrecision::int8 && scheme.rows == RowGrid::fixed) {
    json["scale"] = scheme.row_scale;
    json["zero_point"] = scheme.row_zero_point;
  }
  if (const auto it = quantized.alphas.find(group.input); it != quantized.alphas.end()) json["alpha"] = it->second;
  return json;
}

}  // namespace

QuantizedGraph quantize(const SourceModel& source, const QuantizeOptions& options, std::span<const std::string> texts,
                        const CalibrationProgress& progress) {
  try {
    return Quantization(source, options, texts, progress).run();
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::string file = source.model.onnx_file.string();
    throw Error(message.starts_with(file) ? message : file + ": " + message);
  }
}

std::shared_ptr<const LoadedModel> load_quantized(const SourceModel& source, const QuantizedGraph& quantized,
                                                  AttentionPrecision attention) {
  return finish_model(source.model, quantized.graph, Precision::int8, attention);
}

void write_quantized(const SourceModel& source, const QuantizedGraph& quantized, const QuantizeOptions& options,
                     const std::filesystem::path& to) {
  Json json = {{"activations", rows_name(options.rows)},
               {"weights", options.weights.one_scale ? "per tensor" : "per channel"},
               {"weight_bits", options.weights.largest < 127 ? 7 : 8},
               {"equalized", options.equalize},
               {"embeddings", quantized.tables.empty() ? "fp32" : "int8, per row"},
               {"linears", Json::array()}};
  if (options.rows == RowGrid::fixed) json["calibration"] = engine::name(options.calibration.method);
  for (const LinearGroup& group : quantized.groups) {
    json["linears"].push_back(linear_json(quantized.graph, group, quantized));
  }
  write_packed_model(source, quantized.graph, {Precision::int8, options.attention, json.dump()}, to);
}

}  // namespace sesame::models
