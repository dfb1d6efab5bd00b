#include "tools/quantize_packed.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <regex>

#include "engine/linear_scheme.h"
#include "models/accuracy_trade.h"
#include "models/calibration_texts.h"
#include "models/quantization_report.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/progress_bar.h"

namespace sesame::tools {
namespace {

void check(const PackedOptions& options, const std::vector<std::string>& texts) {
  if (options.is_static && texts.empty())
    throw UsageError("--static: expected texts to calibrate on (--calibrate FILE)");
  if (options.quantize.smooth && texts.empty())
    throw UsageError("--smooth: expected texts to look at (--calibrate FILE)");
  if (options.is_static && options.per_tensor_rows)
    throw UsageError("--tensor-scales goes with dynamic, found --static");
  if (options.quantize.smooth && options.per_tensor_rows) {
    throw UsageError("--smooth goes with scales a token or static ones, found --tensor-scales");
  }
  if (options.max_drop && options.measure.data.empty())
    throw UsageError("--max-drop: expected labelled texts (--data FILE)");
  if (!texts.empty() && !options.is_static && !options.quantize.smooth && !options.report) {
    std::printf("warning: --calibrate is not used: each token has a scale of its own, unless --static is given\n");
  }
  if (options.report && options.measure.data.empty() && texts.empty()) {
    throw UsageError("--report: expected texts to run (--data FILE or --calibrate FILE)");
  }
}

// Names are matched as far as this: libstdc++ matches recursively.
constexpr std::size_t kMaxMatched = 2048;

// Groups with a node whose name the expression finds stay in fp32, since Linears that share rows stay together; tables
// likewise.
void exclude(const std::string& expression, models::QuantizedGraph& quantized) try {
  if (expression.empty()) return;
  const std::regex pattern(expression);
  const auto finds = [&](std::size_t n) {
    return std::regex_search(quantized.graph.nodes[n].name.substr(0, kMaxMatched), pattern);
  };
  for (const auto& group : quantized.groups) {
    if (std::ranges::any_of(group.nodes, finds)) engine::restore_floats(quantized.graph, group);
  }
  std::erase_if(quantized.tables, [&](const engine::QuantizedTable& table) {
    const bool found = finds(table.node);
    if (found) engine::restore_floats(quantized.graph, table);
    return found;
  });
} catch (const std::regex_error& error) {
  throw UsageError("--exclude-nodes: expected a regular expression, found '" + expression + "'");
}

void print(const models::Trade& trade, double max_drop) {
  std::printf("score: fp32 %.2f %%, int8 %.2f %%", 100 * trade.fp32_score, 100 * trade.int8_score);
  std::printf(trade.steps.empty() ? ": within %.2f points, nothing kept in fp32\n" : "; at most %.2f points to lose\n",
              max_drop);
  for (const auto& step : trade.steps) {
    const bool is_back = step.precision == engine::LinearPrecision::int8;
    std::printf("  %s %s: %s: %.2f %%\n", is_back ? "back in" : "kept in", std::string(name(step.precision)).c_str(),
                step.part.c_str(), 100 * step.score);
  }
  if ((trade.fp32_score - trade.score()) * 100 > max_drop + 1e-9) {
    std::printf("warning: %.2f points are lost with everything kept: fewer cannot be had\n",
                100 * (trade.fp32_score - trade.score()));
  }
}

// "24 Linears in int8, 4 kept in bf16, 2 kept in fp32; 3 embedding tables in int8; attention in int8"
std::string counted(const models::QuantizedGraph& quantized, AttentionPrecision attention) {
  std::map<engine::LinearPrecision, std::size_t> linears;
  for (const auto& group : quantized.groups) {
    linears[engine::linear_scheme(quantized.graph.nodes[group.nodes.front()]).precision] += group.nodes.size();
  }
  std::string text = std::to_string(linears[engine::LinearPrecision::int8]) + " Linears in int8";
  const std::size_t halves = linears[engine::LinearPrecision::bf16];
  if (halves > 0) text += ", " + std::to_string(halves) + " kept in bf16";
  text += ", " + std::to_string(linears[engine::LinearPrecision::fp32]) + " kept in fp32";
  const auto tables = static_cast<std::size_t>(std::ranges::count_if(quantized.tables, [&](const auto& table) {
    return quantized.graph.nodes[table.node].is("GatherBytes", engine::kSesame);
  }));
  if (tables > 0) text += "; " + std::to_string(tables) + " embedding tables in int8";
  return text + "; attention in " + std::string(name(attention));
}

class Run {
 public:
  Run(const std::string& model, const std::vector<std::string>& texts, PackedOptions& options)
      : options_(options), texts_(texts), source_(read_source(model)) {
    fp32_ = std::make_shared<const Model>(
        finish_model(source_.model, source_.graph, Precision::fp32, AttentionPrecision::fp32));
    if (!options_.measure.data.empty()) measured_.emplace(options_.measure, fp32_, bar_);
  }

  void write(const std::string& out) {
    const auto progress = [&](double share) { bar_.show("calibrating", share); };
    models::QuantizedGraph quantized = models::quantize(source_, options_.quantize, texts_, progress);
    exclude(options_.exclude_nodes, quantized);
    if (options_.max_drop) trade(quantized);
    if (options_.report) report(quantized);
    bar_.clear();
    models::write_quantized(source_, quantized, options_.quantize, out);
    const auto written = Model::load(out);
    std::printf("%s\n", size_line(fp32_->loaded(), written->loaded()).c_str());
    if (measured_) std::printf("%s\n", measured_->compare(written, bar_).c_str());
    std::printf("%s: %s\n", out.c_str(), counted(quantized, options_.quantize.attention).c_str());
  }

 private:
  void trade(models::QuantizedGraph& quantized) {
    const models::Trade trade =
        models::keep_accuracy(source_, measured_->yardstick(), *options_.max_drop, quantized, options_.quantize,
                              [&](const std::string& what, double share) { bar_.show(what, share); });
    bar_.clear();
    print(trade, *options_.max_drop);
  }

  void report(const models::QuantizedGraph& quantized) {
    constexpr std::size_t kTexts = 1000;
    const std::vector<std::string> texts =
        texts_.empty() ? models::read_calibration_texts(options_.measure.data, kTexts, 1) : texts_;
    const auto reports =
        models::report_tensors(source_, quantized, texts, [&](double share) { bar_.show("measuring noise", share); });
    bar_.clear();
    std::fputs(models::to_table(reports).c_str(), stdout);
  }

  PackedOptions& options_;
  const std::vector<std::string>& texts_;
  SourceModel source_;
  std::shared_ptr<const Model> fp32_;
  ProgressBar bar_;
  std::optional<Measured> measured_;
};

}  // namespace

void add_packed_options(CLI::App& command, PackedOptions& options) {
  models::QuantizeOptions& q = options.quantize;
  command.add_flag("--static", options.is_static, "scales of activations from --calibrate, not from each token");
  command.add_flag("--tensor-scales", options.per_tensor_rows,
                   "a scale a tensor, found while running, as ONNX Runtime has it; slow, and answers depend on "
                   "the batch");
  command.add_flag("!--no-equalize", q.equalize, "leave attention's channels as they are");
  command.add_flag("--smooth", q.smooth, "SmoothQuant, as far as each Linear's output gains by it");
  add_attention(command, q.attention);
  command
      .add_option("--max-drop", options.max_drop, "keep parts in bf16 or fp32 until so many points are lost at most")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("POINTS");
  command
      .add_option_function<std::string>(
          "--embeddings", [&q](const std::string& precision) { q.embeddings = precision == "int8"; },
          "Embedding tables: fp32, or int8, a scale a row")
      ->check(CLI::IsMember({"fp32", "int8"}))
      ->type_name("NAME")
      ->default_str("fp32");
  command.add_flag("--report", options.report, "print range, clipped share and noise of every tensor");
}

int run_quantize_packed(const std::string& model, const std::string& out, const std::vector<std::string>& texts,
                        PackedOptions options) {
  check(options, texts);
  models::QuantizeOptions& q = options.quantize;
  if (options.is_static) q.rows = engine::RowGrid::fixed;
  if (options.per_tensor_rows) q.rows = engine::RowGrid::per_tensor;
  if (q.attention == AttentionPrecision::automatic) q.attention = AttentionPrecision::int8;
  Run(model, texts, options).write(out);
  return 0;
}

}  // namespace sesame::tools
