#include "models/quantization_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/linear.h"
#include "engine/quantizer/smooth.h"
#include "engine/row_table.h"
#include "kernels/pack.h"
#include "kernels/table.h"
#include "models/eval/answers.h"

namespace sesame::models {

namespace {

using engine::LinearGroup;
using engine::LinearScheme;
using engine::RowGrid;

std::vector<std::string> inputs_of(const std::vector<LinearGroup>& groups) {
  std::vector<std::string> names;
  for (const LinearGroup& group : groups) names.push_back(group.input);
  return names;
}

engine::Graph in_floats(const QuantizedGraph& quantized) {
  engine::Graph graph = quantized.graph;
  for (const LinearGroup& group : quantized.groups) engine::restore_floats(graph, group);
  return graph;
}

// The scheme with the grid that a whole tensor of these values gets, where that is how it is quantized.
LinearScheme with_known_grid(LinearScheme scheme, engine::Range range) {
  if (scheme.rows != RowGrid::per_tensor) return scheme;
  scheme.rows = RowGrid::fixed;
  scheme.row_scale = std::max((range.high - range.low) / 255, 0x1p-100f);
  scheme.row_zero_point =
      static_cast<std::uint8_t>(std::clamp(std::nearbyint(-range.low / scheme.row_scale), 0.f, 255.f));
  return scheme;
}

// Signal to noise of the sample's rows as the Linear reads them.
double row_noise(const engine::LinearWeights& weights, const LinearScheme& scheme, const engine::RowSample& sample) {
  const engine::Linear linear(weights, scheme);
  const std::size_t rows = sample.rows(), features = sample.features();
  std::vector<std::byte> made(rows * linear.row_bytes());
  std::vector<float> scale(rows), back(rows * features);
  const engine::Rows read = linear.make_rows(kernels::table(kernels::default_isa()), sample.data(),
                                             static_cast<std::ptrdiff_t>(features), rows, made.data(), scale.data());
  const int zero_point = scheme.rows == RowGrid::fixed ? scheme.row_zero_point : 128;
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t k = 0; k < features; ++k) {
      const float multiplier = scheme.multiplier ? scheme.multiplier.data<float>()[k] : 1.0f;
      const int q = read.u8[m * static_cast<std::size_t>(read.ld_u8) + k];
      back[m * features + k] = static_cast<float>(q - zero_point) * scale[m] / multiplier;
    }
  }
  return signal_to_noise({sample.data(), rows * features}, back);
}

TensorReport report_rows(const engine::Graph& graph, const LinearGroup& group, const engine::Observer& observer,
                         const engine::RowSample& sample) {
  const engine::Node& node = graph.nodes[group.nodes.front()];
  const LinearScheme scheme = with_known_grid(engine::linear_scheme(node), observer.extremes());
  TensorReport report{.tensor = describe(graph, group), .range = observer.extremes()};
  report.is_quantized = scheme.precision == engine::LinearPrecision::int8;
  if (!report.is_quantized) return report;
  if (scheme.rows == RowGrid::fixed && !scheme.multiplier) {
    const auto end = [&](int q) { return static_cast<float>(q - scheme.row_zero_point) * scheme.row_scale; };
    report.clipped = observer.clipped_share({end(0) - scheme.row_scale / 2, end(255) + scheme.row_scale / 2});
  }
  report.snr = row_noise(engine::linear_weights(graph, node), scheme, sample);
  return report;
}

TensorReport report_weight(const engine::Graph& graph, const engine::Node& node) {
  const engine::LinearWeights w = engine::linear_weights(graph, node);
  const LinearScheme scheme = engine::linear_scheme(node);
  TensorReport report{.tensor = node.name.empty() ? graph.value(node.output(0)).name : node.name,
                      .kind = ReportedTensor::weight};
  const auto values = w.weight.span<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  report.range = {*low, *high};
  report.is_quantized = scheme.precision == engine::LinearPrecision::int8;
  if (!report.is_quantized) return report;
  const engine::PackedLinear packed = engine::Linear(w, scheme).packed();
  std::vector<float> back(values.size());
  const std::size_t quads = kernels::round_up(packed.in, 4) / 4;
  for (std::size_t k = 0; k < packed.in; ++k) {
    for (std::size_t n = 0; n < packed.out; ++n) {
      const std::size_t at = ((n / kernels::kPanel) * quads + k / 4) * 64 + n % kernels::kPanel * 4 + k % 4;
      const std::size_t to = w.transposed ? n * packed.in + k : k * packed.out + n;
      back[to] = static_cast<float>(packed.weight.data<std::int8_t>()[at]) * packed.scale.data<float>()[n];
    }
  }
  report.snr = signal_to_noise(values, back);
  return report;
}

TensorReport report_table(const engine::Graph& graph, const engine::QuantizedTable& quantized) {
  const engine::Tensor& floats = graph.constant(quantized.floats.input(0));
  const auto values = floats.span<float>();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  TensorReport report{.tensor = describe(graph, quantized), .kind = ReportedTensor::table, .range = {*low, *high}};
  const auto lookup = engine::row_lookup(graph, graph.nodes[quantized.node]);
  report.is_quantized = lookup && lookup->table.is_bytes();
  if (!report.is_quantized) return report;
  const auto width = static_cast<std::size_t>(lookup->table.width());
  std::vector<float> back(values.size());
  const kernels::Table& kernels = kernels::table(kernels::default_isa());
  for (std::size_t r = 0; r * width < back.size(); ++r) lookup->table.row(kernels, r, back.data() + r * width);
  report.snr = signal_to_noise(values, back);
  return report;
}

std::string_view name(ReportedTensor kind) {
  if (kind == ReportedTensor::rows) return "activations";
  return kind == ReportedTensor::weight ? "weight" : "table";
}

}  // namespace

std::vector<TensorReport> report_tensors(const SourceModel& source, const QuantizedGraph& quantized,
                                         std::span<const std::string> texts, const CalibrationProgress& progress) {
  engine::Graph observed = engine::observed_graph(in_floats(quantized), inputs_of(quantized.groups));
  engine::Observers observers(observed, {.method = engine::CalibrationMethod::minmax});
  std::vector<engine::RowSample> samples(quantized.groups.size());
  run_texts(
      source, std::move(observed), texts, /*keep_order=*/false,
      [&](std::span<const engine::Tensor> outputs) {
        observers.observe(outputs);
        for (std::size_t i = 0; i < outputs.size(); ++i) samples[i].add(outputs[i]);
      },
      progress);
  std::vector<TensorReport> reports;
  for (const auto& table : quantized.tables) reports.push_back(report_table(quantized.graph, table));
  for (std::size_t g = 0; g < quantized.groups.size(); ++g) {
    const LinearGroup& group = quantized.groups[g];
    reports.push_back(report_rows(quantized.graph, group, observers.all().at(group.input), samples[g]));
    for (std::size_t n : group.nodes) reports.push_back(report_weight(quantized.graph, quantized.graph.nodes[n]));
  }
  return reports;
}

std::string to_table(std::span<const TensorReport> tensors) {
  std::string table = "tensor        range                 clipped  noise dB  Linear\n";
  for (const TensorReport& t : tensors) {
    char line[160];
    const std::string noise = std::isfinite(t.snr) ? std::to_string(t.snr).substr(0, 5) : "none";
    std::snprintf(line, sizeof line, "%-12s  %9.4g .. %-8.4g  %6.3f %%  %8s  ", std::string(name(t.kind)).c_str(),
                  static_cast<double>(t.range.low), static_cast<double>(t.range.high), 100 * t.clipped,
                  t.is_quantized ? noise.c_str() : "fp32");
    table += line + t.tensor + '\n';
  }
  return table;
}

}  // namespace sesame::models
