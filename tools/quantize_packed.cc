#include "tools/quantize_packed.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <regex>

#include "models/accuracy_trade.h"
#include "models/eval/answers.h"
#include "models/eval/labelled_data.h"
#include "models/eval/metrics.h"
#include "models/quantization_report.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/progress_bar.h"

namespace sesame::tools {
namespace {

using models::Answers;

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
  if (options.max_drop && options.data.empty()) throw UsageError("--max-drop: expected labelled texts (--data FILE)");
  if (options.report && options.data.empty() && texts.empty()) {
    throw UsageError("--report: expected texts to run (--data FILE or --calibrate FILE)");
  }
}

// Groups with a node whose name the expression finds stay in fp32: Linears that share rows stay together.
void exclude(const std::string& expression, models::QuantizedGraph& quantized) try {
  if (expression.empty()) return;
  const std::regex pattern(expression);
  for (const auto& group : quantized.groups) {
    const bool found = std::any_of(group.nodes.begin(), group.nodes.end(), [&](std::size_t n) {
      return std::regex_search(quantized.graph.nodes[n].name, pattern);
    });
    if (found) engine::restore_floats(quantized.graph, group);
  }
} catch (const std::regex_error& error) {
  throw UsageError("--exclude-nodes: expected a regular expression, found '" + expression + "'");
}

void print(const models::Trade& trade, double max_drop) {
  std::printf("accuracy: fp32 %.2f %%, int8 %.2f %%", 100 * trade.fp32_accuracy, 100 * trade.int8_accuracy);
  std::printf(trade.steps.empty() ? ": within %.2f points, nothing kept in fp32\n" : "; at most %.2f points to lose\n",
              max_drop);
  for (const auto& step : trade.steps) {
    std::printf("  kept in fp32: %s: %.2f %%\n", step.kept.c_str(), 100 * step.accuracy);
  }
}

void print_answers(const Answers& fp32, const Answers& int8, const std::vector<std::size_t>& expected) {
  std::printf("accuracy: fp32 %.2f %%, int8 %.2f %%; same answer %.2f %%; logits %.1f dB\n",
              100 * models::matching_share(fp32.labels, expected), 100 * models::matching_share(int8.labels, expected),
              100 * models::matching_share(int8.labels, fp32.labels),
              models::signal_to_noise(fp32.logits, int8.logits));
}

class Run {
 public:
  Run(const std::string& model, const std::vector<std::string>& texts, PackedOptions& options)
      : options_(options), texts_(texts), source_(read_source(model)) {
    if (!options_.data.empty()) data_ = models::read_labelled_texts(options_.data);
  }

  void write(const std::string& out) {
    const auto progress = [&](double share) { bar_.show("calibrating", share); };
    models::QuantizedGraph quantized = models::quantize(source_, options_.quantize, texts_, progress);
    exclude(options_.exclude_nodes, quantized);
    if (options_.max_drop) trade(quantized);
    if (options_.report) report(quantized);
    bar_.clear();
    models::write_quantized(source_, quantized, options_.quantize, out);
    std::size_t kept = 0;
    for (const auto& group : quantized.groups) {
      const auto scheme = engine::linear_scheme(quantized.graph.nodes[group.nodes.front()]);
      kept += scheme.precision == engine::LinearPrecision::int8 ? 0 : group.nodes.size();
    }
    std::size_t linears = 0;
    for (const auto& group : quantized.groups) linears += group.nodes.size();
    std::printf("%s: %zu Linears in int8, %zu of them kept in fp32\n", out.c_str(), linears - kept, kept);
  }

 private:
  void trade(models::QuantizedGraph& quantized) {
    const models::Trade trade =
        models::keep_accuracy(source_, data_, *options_.max_drop, options_.threads, quantized, options_.quantize,
                              [&](const std::string& what, double share) { bar_.show(what, share); });
    bar_.clear();
    print(trade, *options_.max_drop);
  }

  void report(const models::QuantizedGraph& quantized) {
    std::vector<std::string> texts = texts_;
    if (texts.empty()) {
      for (const auto& each : data_) texts.push_back(each.text);
    }
    const auto reports =
        models::report_tensors(source_, quantized, texts, [&](double share) { bar_.show("measuring noise", share); });
    bar_.clear();
    std::fputs(models::to_table(reports).c_str(), stdout);
    if (!data_.empty()) report_answers(quantized);
  }

  void report_answers(const models::QuantizedGraph& quantized) {
    const auto fp32 = std::make_shared<const Model>(
        finish_model(source_.model, source_.graph, Precision::fp32, AttentionPrecision::fp32));
    const auto int8 =
        std::make_shared<const Model>(models::load_quantized(source_, quantized, options_.quantize.attention));
    const auto expected = models::label_indices(data_, fp32->labels());
    const auto answer = [&](const auto& model, const char* what) {
      return models::answer_texts(model, data_, options_.threads, [&](double share) { bar_.show(what, share); });
    };
    const Answers want = answer(fp32, "fp32"), got = answer(int8, "int8");
    bar_.clear();
    print_answers(want, got, expected);
  }

  PackedOptions& options_;
  const std::vector<std::string>& texts_;
  SourceModel source_;
  std::vector<models::LabelledText> data_;
  ProgressBar bar_;
};

}  // namespace

void add_packed_options(CLI::App& command, PackedOptions& options) {
  models::QuantizeOptions& q = options.quantize;
  command.add_flag("--static", options.is_static,
                   "sesame: scales of activations from --calibrate, not from each token");
  command.add_flag("--tensor-scales", options.per_tensor_rows,
                   "sesame: a scale a tensor, found while running, as ONNX Runtime has it; slow, and answers depend on "
                   "the batch");
  command.add_flag("!--no-equalize", q.equalize, "sesame: leave attention's channels as they are");
  command.add_flag("--smooth", q.smooth, "sesame: SmoothQuant, as far as each Linear's output gains by it");
  add_attention(command, q.attention);
  command
      .add_option("--max-drop", options.max_drop, "sesame: keep Linears in fp32 until so many points are lost at most")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("POINTS");
  command.add_option("--task", options.task, "Task of --data")
      ->check(CLI::IsMember({"classification"}))
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--data", options.data, "Labelled texts to measure on: text TAB label, or CLINC150 JSON")
      ->type_name("FILE");
  command.add_flag("--report", options.report, "sesame: print range, clipped share and noise of every tensor");
  add_threads(command, options.threads);
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
