// SmoothQuant: the range of a channel moves from the rows to the weights, as far as the Linear's own output gains by
// it.
//
// Xiao et al., SmoothQuant (2023), equation 4: s[k] = max|x[k]|^alpha / max|W[k]|^(1 - alpha). The row is divided by s
// where it is quantized (LinearScheme::multiplier = 1 / s) and row k of the weights is multiplied by it, so the
// function is the same and nothing needs to be folded into what comes before.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/linear.h"
#include "engine/linear_scheme.h"
#include "engine/tensor.h"

namespace sesame::engine {

// Rows of a value, at most a number of them, taken evenly: every one, every second, every fourth, .. of all seen.
class RowSample {
 public:
  explicit RowSample(std::size_t most = 256) : most_(most) {}

  void add(const Tensor& rows);  // [.., features] floats
  std::size_t features() const { return features_; }
  std::size_t rows() const { return features_ == 0 ? 0 : values_.size() / features_; }
  const float* data() const { return values_.data(); }
  // The largest magnitude in each column, of all rows seen.
  const std::vector<float>& column_maxima() const { return maxima_; }

 private:
  std::size_t most_;
  std::size_t features_ = 0;
  std::size_t stride_ = 1;
  std::size_t seen_ = 0;
  std::vector<float> values_;
  std::vector<float> maxima_;
};

struct Smoothing {
  float alpha = 0;
  Tensor multiplier;  // [in_features], 1 / s
};

// A channel's activations count as at least a hundredth of the largest channel's: one that the texts hardly use may be
// used by the next. The alpha among 0.3, 0.35, .. 0.8 whose int8 outputs of all the Linears together differ least, in
// the mean square, from those in fp32 over the sample; nothing when leaving the rows as they are is no worse. Fixed
// rows get the grid of the sample's own minimum and maximum for the comparison.
std::optional<Smoothing> find_smoothing(std::span<const LinearWeights> linears, const LinearScheme& scheme,
                                        const RowSample& sample);

// The weights with row k divided by multiplier[k].
LinearWeights smoothed(const LinearWeights& weights, const Tensor& multiplier);

}  // namespace sesame::engine
