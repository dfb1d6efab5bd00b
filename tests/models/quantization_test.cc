#include "models/quantization.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "models/accuracy_trade.h"
#include "models/calibration_texts.h"
#include "models/equalization.h"
#include "models/eval/answers.h"
#include "models/eval/metrics.h"
#include "models/quantization_report.h"
#include "tests/catch.h"
#include "tests/models/hard_model.h"
#include "tests/support.h"

namespace sesame::models {
namespace {

using engine::RowGrid;

const std::filesystem::path kIntent = std::filesystem::path(SESAME_SOURCE_DIR) / "models" / "intent";

SourceModel intent() { return read_source(kIntent); }

std::vector<LabelledText> some(const std::vector<LabelledText>& data, std::size_t step) {
  std::vector<LabelledText> part;
  for (std::size_t i = 0; i < data.size(); i += step) part.push_back(data[i]);
  return part;
}

std::vector<LabelledText> eval_texts() { return read_labelled_texts(kIntent / "eval.tsv"); }

std::vector<std::string> calibration_texts() { return read_calibration_texts(kIntent / "eval.tsv", 128, 1); }

Answers in_fp32(const SourceModel& source, const std::vector<LabelledText>& data) {
  const auto model = finish_model(source.model, source.graph, Precision::fp32, AttentionPrecision::fp32);
  return answer_texts(std::make_shared<const Model>(model), data, 1);
}

Answers in_int8(const SourceModel& source, const std::vector<LabelledText>& data, const QuantizeOptions& options,
                const std::vector<std::string>& texts = {}) {
  const auto model = load_quantized(source, quantize(source, options, texts, {}), options.attention);
  return answer_texts(std::make_shared<const Model>(model), data, 1);
}

// Accuracy on labelled texts.
class Labels final : public Yardstick {
 public:
  explicit Labels(std::vector<LabelledText> data) : data_(std::move(data)) {}
  double score(const std::shared_ptr<const Model>& model, const Tick&) const override {
    return matching_share(answer_texts(model, data_, 1).labels, label_indices(data_, model->labels()));
  }
  std::vector<float> sample(const std::shared_ptr<const Model>& model, const Tick&) const override {
    return answer_texts(model, data_, 1).logits;
  }

 private:
  std::vector<LabelledText> data_;
};

TEST_CASE("Equalized attention computes the same in fp32") {
  SourceModel source = intent();
  const auto data = some(eval_texts(), 8);
  const Answers before = in_fp32(source, data);
  CHECK(equalize_attention(source.graph) == 4);
  const Answers after = in_fp32(source, data);
  CHECK(before.labels == after.labels);
  CHECK(signal_to_noise(before.logits, after.logits) > 100);  // 24 bits, less what 4 layers add up
}

TEST_CASE("Each way to quantize keeps the answers of the intent model") {
  const SourceModel source = intent();
  const auto data = eval_texts();
  const Answers want = in_fp32(source, data);
  struct Way {
    const char* name;
    QuantizeOptions options;
    double agreement;
    double decibels;
  };
  const auto weights = [](int largest, bool one_scale) {
    QuantizeOptions o;
    o.weights = {.largest = largest, .one_scale = one_scale};
    return o;
  };
  QuantizeOptions fixed, smooth, tensor, heads;
  fixed.rows = RowGrid::fixed;
  smooth.smooth = true;
  tensor.rows = RowGrid::per_tensor;
  heads.heads = true;
  for (const Way& way : {Way{"dynamic", {}, 0.99, 44}, Way{"static", fixed, 0.98, 30}, Way{"smooth", smooth, 0.99, 43},
                         Way{"tensor", tensor, 0.98, 30}, Way{"heads", heads, 0.99, 38},
                         Way{"7 bits", weights(63, false), 0.98, 36}, Way{"one scale", weights(127, true), 0.98, 34}}) {
    const bool calibrates = way.options.smooth || way.options.rows == RowGrid::fixed;
    const Answers got =
        in_int8(source, data, way.options, calibrates ? calibration_texts() : std::vector<std::string>());
    INFO(way.name << ": " << matching_share(got.labels, want.labels) << ", " << signal_to_noise(want.logits, got.logits)
                  << " dB");
    CHECK(matching_share(got.labels, want.labels) >= way.agreement);
    CHECK(signal_to_noise(want.logits, got.logits) >= way.decibels);
  }
}

TEST_CASE("A model with outlier channels in its attention keeps its answers") {
  SourceModel source = intent();
  const auto data = eval_texts();
  const Answers want = in_fp32(source, data);
  make_hard(source.graph);
  CHECK(in_fp32(source, data).labels == want.labels);
  const Answers with = in_int8(source, data, {});
  QuantizeOptions plain;
  plain.equalize = false;
  const Answers without = in_int8(source, data, plain);
  CHECK(matching_share(with.labels, want.labels) >= 0.99);
  CHECK(signal_to_noise(want.logits, with.logits) >= 44);
  CHECK(signal_to_noise(want.logits, without.logits) < 36);
}

TEST_CASE("Fewer points to lose keep more in fp32, none keeps all that is needed") {
  SourceModel source = intent();
  make_hard(source.graph);
  const auto data = some(eval_texts(), 4);
  QuantizeOptions options;
  options.equalize = false;
  options.weights = {.largest = 7, .one_scale = true};  // four bits: hopeless
  QuantizedGraph quantized = quantize(source, options, {}, {});
  const Labels labels(data);
  const Trade trade = keep_accuracy(source, labels, 1.0, quantized, options, [](const auto&, double) {});
  CHECK(trade.int8_score < trade.fp32_score - 0.01);
  CHECK(trade.score() >= trade.fp32_score - 0.01);
  REQUIRE_FALSE(trade.steps.empty());
  // Beside parts of four bits bf16 is as good as fp32.
  CHECK(trade.steps.front().precision == engine::LinearPrecision::bf16);
  std::set<std::string> kept;
  for (const TradeStep& step : trade.steps) {
    step.precision == engine::LinearPrecision::int8 ? (void)kept.erase(step.part) : (void)kept.insert(step.part);
  }
  std::size_t found = options.attention == AttentionPrecision::int8 ? 0 : 1;
  for (const auto& group : quantized.groups) {
    const auto precision = engine::linear_scheme(quantized.graph.nodes[group.nodes.front()]).precision;
    CHECK((precision != engine::LinearPrecision::int8) == kept.contains(describe(quantized.graph, group)));
    found += precision != engine::LinearPrecision::int8;
  }
  CHECK(found == kept.size());
  // What is returned is what was measured.
  const auto model = load_quantized(source, quantized, options.attention);
  const Answers got = answer_texts(std::make_shared<const Model>(model), data, 1);
  CHECK(matching_share(got.labels, label_indices(data, model->labels)) == trade.score());
}

TEST_CASE("The report has a line for the rows and the weights of each Linear") {
  const SourceModel source = intent();
  QuantizeOptions options;
  options.rows = RowGrid::fixed;
  options.calibration.percentile = 99;
  const auto texts = calibration_texts();
  const QuantizedGraph quantized = quantize(source, options, texts, {});
  CHECK(quantized.groups.size() == 16);
  const auto reports = report_tensors(source, quantized, texts, {});
  CHECK(reports.size() == 16 + 24);
  for (const TensorReport& report : reports) {
    INFO(report.tensor);
    CHECK(report.range.high > report.range.low);
    CHECK(report.snr > (report.kind == ReportedTensor::weight ? 30 : 5));
    CHECK(report.snr < 70);
    if (report.kind == ReportedTensor::rows) CHECK(report.clipped == Approx(0.01).margin(0.006));
  }
  CHECK(to_table(reports).find("q_lin") != std::string::npos);
}

TEST_CASE("Nothing to calibrate with is an error that says so") {
  QuantizeOptions options;
  options.rows = RowGrid::fixed;
  CHECK_THROWS_WITH(quantize(intent(), options, {}, {}), Catch::Contains("model.onnx: expected texts"));
}

}  // namespace
}  // namespace sesame::models
