// How many of a quantized model's Linears have to stay in fp32 for an accuracy, and which.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/eval/labelled_data.h"
#include "models/loading.h"
#include "models/quantization.h"

namespace sesame::models {

// One step of the trade: what was taken back to fp32, and the accuracy with it and all before.
struct TradeStep {
  std::string kept;
  double accuracy = 0;
};

struct Trade {
  double fp32_accuracy = 0;
  double int8_accuracy = 0;
  std::vector<TradeStep> steps;
  AttentionPrecision attention = AttentionPrecision::int8;

  double accuracy() const { return steps.empty() ? int8_accuracy : steps.back().accuracy; }
};

// Told what is being measured, and which share of it is done.
using TradeProgress = std::function<void(const std::string& what, double share)>;

// Takes groups of Linears (and the attention, where it is int8) back to fp32 until the accuracy on `data` is at most
// `max_drop` points (hundredths) below fp32's: in the order of how much nearer the logits of a sample of the data come
// to fp32's when that one alone is taken back. The graph and options are changed accordingly. Throws Error when the
// model is no classifier or a label is none of its own.
Trade keep_accuracy(const SourceModel& source, std::span<const LabelledText> data, double max_drop, int threads,
                    QuantizedGraph& quantized, QuantizeOptions& options, const TradeProgress& progress);

}  // namespace sesame::models
