#include "models/accuracy_trade.h"

#include <algorithm>
#include <memory>

#include "models/eval/answers.h"
#include "models/eval/metrics.h"

namespace sesame::models {

namespace {

// Texts that the ranking looks at: a sum over their logits tells more than as many right or wrong answers.
constexpr std::size_t kRankingTexts = 500;

std::vector<LabelledText> evenly(std::span<const LabelledText> data, std::size_t most) {
  std::vector<LabelledText> sample;
  const std::size_t count = std::min(most, data.size());
  for (std::size_t i = 0; i < count; ++i) sample.push_back(data[i * data.size() / count]);
  return sample;
}

class TradeMaker {
 public:
  TradeMaker(const SourceModel& source, std::span<const LabelledText> data, int threads, const TradeProgress& progress)
      : source_(source), data_(data), sample_(evenly(data, kRankingTexts)), threads_(threads), progress_(progress) {}

  Trade run(double max_drop, QuantizedGraph& quantized, QuantizeOptions& options) {
    const auto fp32 = std::make_shared<const Model>(
        finish_model(source_.model, source_.graph, Precision::fp32, AttentionPrecision::fp32));
    if (fp32->labels().empty()) {
      throw Error(source_.model.onnx_file.string() + ": expected a classifier to measure the accuracy of");
    }
    expected_ = label_indices(data_, fp32->labels());
    Trade trade;
    trade.attention = options.attention;
    trade.fp32_accuracy = accuracy(fp32, "fp32");
    trade.int8_accuracy = accuracy(load(quantized.graph, options.attention), "int8");
    const auto falls_short = [&] { return (trade.fp32_accuracy - trade.accuracy()) * 100 > max_drop + 1e-9; };
    if (!falls_short()) return trade;
    exact_ = answers(fp32, sample_, "fp32, sample").logits;
    for (const std::size_t c : ranking(quantized, options.attention)) {
      take_back(c, quantized, options.attention);
      const std::string kept = name_of(c, quantized);
      trade.steps.push_back({kept, accuracy(load(quantized.graph, options.attention), "with " + kept + " in fp32")});
      if (!falls_short()) break;
    }
    trade.attention = options.attention;
    return trade;
  }

 private:
  std::shared_ptr<const Model> load(const engine::Graph& graph, AttentionPrecision attention) const {
    return std::make_shared<const Model>(finish_model(source_.model, graph, Precision::int8, attention));
  }

  Answers answers(const std::shared_ptr<const Model>& model, std::span<const LabelledText> data,
                  const std::string& what) const {
    return answer_texts(model, data, threads_, [&](double share) { progress_(what, share); });
  }

  double accuracy(const std::shared_ptr<const Model>& model, const std::string& what) const {
    return matching_share(answers(model, data_, what).labels, expected_);
  }

  // Candidates are the groups by number, and behind them the attention.
  static std::string name_of(std::size_t candidate, const QuantizedGraph& quantized) {
    return candidate == quantized.groups.size() ? "attention" : describe(quantized.graph, quantized.groups[candidate]);
  }

  static void take_back(std::size_t candidate, QuantizedGraph& quantized, AttentionPrecision& attention) {
    if (candidate == quantized.groups.size()) {
      attention = AttentionPrecision::fp32;
    } else {
      engine::restore_floats(quantized.graph, quantized.groups[candidate]);
    }
  }

  // Candidates, the one whose quantization costs the logits most first.
  std::vector<std::size_t> ranking(const QuantizedGraph& quantized, AttentionPrecision attention) const {
    const std::size_t count = quantized.groups.size() + (attention == AttentionPrecision::int8 ? 1 : 0);
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t c = 0; c < count; ++c) {
      QuantizedGraph without = quantized;
      AttentionPrecision kind = attention;
      take_back(c, without, kind);
      const auto logits = answers(load(without.graph, kind), sample_, "ranking " + name_of(c, quantized)).logits;
      order.emplace_back(-signal_to_noise(exact_, logits), c);
    }
    std::stable_sort(order.begin(), order.end());
    std::vector<std::size_t> ranked;
    for (const auto& [noise, candidate] : order) ranked.push_back(candidate);
    return ranked;
  }

  const SourceModel& source_;
  std::span<const LabelledText> data_;
  std::vector<LabelledText> sample_;
  int threads_;
  const TradeProgress& progress_;
  std::vector<std::size_t> expected_;
  std::vector<float> exact_;
};

}  // namespace

Trade keep_accuracy(const SourceModel& source, std::span<const LabelledText> data, double max_drop, int threads,
                    QuantizedGraph& quantized, QuantizeOptions& options, const TradeProgress& progress) {
  return TradeMaker(source, data, threads, progress).run(max_drop, quantized, options);
}

}  // namespace sesame::models
