#include "models/accuracy_trade.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/eval/answers.h"

namespace sesame::models {

namespace {

using engine::LinearPrecision;

// Decibels that the answers may be farther from fp32's with a part in bf16 than with it in fp32.
constexpr double kAsGood = 1;

constexpr const char* kEmbeddings = "embeddings";
constexpr const char* kAttention = "attention";

// Something of the model that can be taken back.
struct Part {
  std::string name;
  const engine::LinearGroup* group = nullptr;  // null: the embeddings, or the attention
};

using Choices = std::vector<LinearPrecision>;  // by part

AttentionPrecision attention_in(LinearPrecision precision) {
  if (precision == LinearPrecision::int8) return AttentionPrecision::int8;
  return precision == LinearPrecision::bf16 ? AttentionPrecision::bf16 : AttentionPrecision::fp32;
}

class TradeMaker {
 public:
  TradeMaker(const SourceModel& source, const Yardstick& yardstick, double max_drop, QuantizedGraph& quantized,
             QuantizeOptions& options, const TradeProgress& progress)
      : source_(source),
        yardstick_(yardstick),
        max_drop_(max_drop),
        quantized_(quantized),
        options_(options),
        progress_(progress) {
    for (const auto& group : quantized.groups) {
      const auto scheme = engine::linear_scheme(quantized.graph.nodes[group.nodes.front()]);
      if (scheme.precision == LinearPrecision::int8) parts_.push_back({describe(quantized.graph, group), &group});
    }
    if (!quantized.tables.empty()) parts_.push_back({kEmbeddings});
    if (options.attention == AttentionPrecision::int8) parts_.push_back({kAttention});
  }

  Trade run() {
    const auto fp32 = std::make_shared<const Model>(
        finish_model(source_.model, source_.graph, Precision::fp32, AttentionPrecision::fp32));
    Choices choices(parts_.size(), LinearPrecision::int8);
    trade_.fp32_score = score(fp32, "fp32");
    trade_.int8_score = score(load(choices), "int8");
    if (is_enough()) return std::move(trade_);
    exact_ = sample(fp32, "fp32, sample");
    const std::vector<std::size_t> order = ranking();
    for (std::size_t i = 0; i < order.size() && !is_enough(); ++i) take(order[i], nearest(order[i], choices), choices);
    for (std::size_t i = 0; i < order.size() && !is_enough(); ++i) {
      if (choices[order[i]] == LinearPrecision::bf16) take(order[i], LinearPrecision::fp32, choices);
    }
    if (is_enough()) give_back(order, choices);
    apply(choices, quantized_, options_.attention);
    return std::move(trade_);
  }

 private:
  bool is_enough(double score) const { return (trade_.fp32_score - score) * 100 <= max_drop_ + 1e-9; }
  bool is_enough() const { return is_enough(trade_.score()); }

  void apply(const Choices& choices, QuantizedGraph& quantized, AttentionPrecision& attention) const {
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      if (choices[p] == LinearPrecision::int8) continue;
      if (parts_[p].group != nullptr) {
        engine::restore_floats(quantized.graph, *parts_[p].group);
        for (std::size_t n : parts_[p].group->nodes) engine::set_linear_scheme(quantized.graph.nodes[n], choices[p]);
      } else if (parts_[p].name == kEmbeddings) {
        for (const auto& table : quantized.tables) engine::restore_floats(quantized.graph, table);
      } else {
        attention = attention_in(choices[p]);
      }
    }
  }

  std::shared_ptr<const Model> load(const Choices& choices) const {
    QuantizedGraph made = quantized_;
    AttentionPrecision attention = options_.attention;
    apply(choices, made, attention);
    return std::make_shared<const Model>(load_quantized(source_, made, attention));
  }

  double score(const std::shared_ptr<const Model>& model, const std::string& what) const {
    const double score = yardstick_.score(model, [&](double share) { progress_(what, share); });
    if (std::isnan(score)) throw Error(what + ": expected a score of the labelled data, found one that is no number");
    return score;
  }

  std::vector<float> sample(const std::shared_ptr<const Model>& model, const std::string& what) const {
    return yardstick_.sample(model, [&](double share) { progress_(what, share); });
  }

  // How near the answers come to fp32's with the part in this precision, and the others as chosen.
  double nearness(std::size_t part, LinearPrecision precision, Choices choices) const {
    choices[part] = precision;
    const std::string what = parts_[part].name + " in " + std::string(name(precision));
    return signal_to_noise(exact_, sample(load(choices), what));
  }

  // Parts, the one whose quantization costs most first.
  std::vector<std::size_t> ranking() const {
    const Choices none(parts_.size(), LinearPrecision::int8);
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t p = 0; p < parts_.size(); ++p) order.emplace_back(-nearness(p, LinearPrecision::fp32, none), p);
    std::stable_sort(order.begin(), order.end());
    std::vector<std::size_t> ranked;
    for (const auto& each : order) ranked.push_back(each.second);
    return ranked;
  }

  // bf16 where it does as well as fp32. Tables are bytes or floats.
  LinearPrecision nearest(std::size_t part, const Choices& choices) const {
    if (parts_[part].name == kEmbeddings && parts_[part].group == nullptr) return LinearPrecision::fp32;
    const double fp32 = nearness(part, LinearPrecision::fp32, choices);
    return nearness(part, LinearPrecision::bf16, choices) >= fp32 - kAsGood ? LinearPrecision::bf16
                                                                            : LinearPrecision::fp32;
  }

  void take(std::size_t part, LinearPrecision precision, Choices& choices) {
    choices[part] = precision;
    const std::string what = "with " + parts_[part].name + " in " + std::string(name(precision));
    trade_.steps.push_back({parts_[part].name, precision, score(load(choices), what)});
  }

  // What was taken early may be spared by what came later.
  void give_back(const std::vector<std::size_t>& order, Choices& choices) {
    for (const std::size_t part : order) {
      if (choices[part] == LinearPrecision::int8 || trade_.steps.back().part == parts_[part].name) continue;
      Choices without = choices;
      without[part] = LinearPrecision::int8;
      const double found = score(load(without), "with " + parts_[part].name + " in int8 again");
      if (!is_enough(found)) continue;
      choices = std::move(without);
      trade_.steps.push_back({parts_[part].name, LinearPrecision::int8, found});
    }
  }

  const SourceModel& source_;
  const Yardstick& yardstick_;
  double max_drop_;
  QuantizedGraph& quantized_;
  QuantizeOptions& options_;
  const TradeProgress& progress_;
  std::vector<Part> parts_;
  Trade trade_;
  std::vector<float> exact_;
};

}  // namespace

Trade keep_accuracy(const SourceModel& source, const Yardstick& yardstick, double max_drop, QuantizedGraph& quantized,
                    QuantizeOptions& options, const TradeProgress& progress) {
  return TradeMaker(source, yardstick, max_drop, quantized, options, progress).run();
}

}  // namespace sesame::models
