// How many of a quantized model's parts have to stay in bf16 or fp32 for an accuracy, and which.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/linear_scheme.h"
#include "models/loading.h"
#include "models/quantization.h"

namespace sesame::models {

// What a model's answers are worth on some labelled data.
class Yardstick {
 public:
  using Tick = std::function<void(double share)>;

  virtual ~Yardstick() = default;

  // The task's own metric of the model; 1 at best.
  virtual double score(const std::shared_ptr<const Model>& model, const Tick& tick) const = 0;
  // The floats that decisions are made of, for a sample of the data: the same examples in the same order every time.
  virtual std::vector<float> sample(const std::shared_ptr<const Model>& model, const Tick& tick) const = 0;
};

// One step of the trade: a part, what it is computed in from here on, and the score with this and all steps before.
struct TradeStep {
  std::string part;  // Linears of one input, "embeddings", or "attention"
  engine::LinearPrecision precision = engine::LinearPrecision::fp32;
  double score = 0;
};

struct Trade {
  double fp32_score = 0;
  double int8_score = 0;
  std::vector<TradeStep> steps;

  double score() const { return steps.empty() ? int8_score : steps.back().score; }
};

// Told what is being measured, and which share of it is done.
using TradeProgress = std::function<void(const std::string& what, double share)>;

// Takes parts of the quantized model back to bf16, or to fp32 where bf16 brings the answers less near, until the score
// is at most `max_drop` points (hundredths) below fp32's: in the order of how much nearer the sample's floats come to
// fp32's when that part alone is taken back. Where bf16 does not do, fp32 follows. In the end what is not needed after
// all goes back to int8. The graph and options are changed accordingly. Throws Error when a score is no number.
Trade keep_accuracy(const SourceModel& source, const Yardstick& yardstick, double max_drop, QuantizedGraph& quantized,
                    QuantizeOptions& options, const TradeProgress& progress);

}  // namespace sesame::models
