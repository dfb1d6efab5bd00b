#include "engine/quantizer/smooth.h"

#include <algorithm>
#include <cmath>

#include "kernels/table.h"

namespace sesame::engine {

namespace {

using Values = std::vector<float>;

// Row k's element n, whichever way the weight lies.
template <class Fn>
void for_each_weight(const LinearWeights& w, float* data, Fn fn) {
  const auto lines = static_cast<std::size_t>(w.weight.dim(0)), width = static_cast<std::size_t>(w.weight.dim(1));
  for (std::size_t i = 0; i < lines; ++i) {
    for (std::size_t j = 0; j < width; ++j) fn(w.transposed ? j : i, data[i * width + j]);
  }
}

Values row_maxima(std::span<const LinearWeights> linears) {
  Values most(linears[0].in_features(), 0.0f);
  for (const LinearWeights& w : linears) {
    for_each_weight(w, w.weight.data<float>(),
                    [&](std::size_t k, float& x) { most[k] = std::max(most[k], std::fabs(x)); });
  }
  return most;
}

Values column_maxima(const RowSample& sample) {
  Values most = sample.column_maxima();
  const float floor = *std::max_element(most.begin(), most.end()) / 100;
  for (float& m : most) m = std::max(m, floor);
  return most;
}

Tensor multiplier_for(const Values& activations, const Values& weights, float alpha) {
  Tensor m = Tensor::allocate(DType::f32, {static_cast<std::int64_t>(weights.size())});
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double s = std::pow(activations[k], alpha) / std::pow(weights[k], 1 - alpha);
    const auto factor = static_cast<float>(1 / s);
    m.data<float>()[k] = factor > 0 && std::isfinite(factor) ? factor : 1.0f;
  }
  return m;
}

LinearScheme with_sample_grid(LinearScheme scheme, const RowSample& sample) {
  if (scheme.rows != RowGrid::fixed) return scheme;
  float low = 0, high = 0;
  for (std::size_t i = 0; i < sample.rows() * sample.features(); ++i) {
    const float m = scheme.multiplier ? scheme.multiplier.data<float>()[i % sample.features()] : 1.0f;
    low = std::min(low, sample.data()[i] * m);
    high = std::max(high, sample.data()[i] * m);
  }
  scheme.row_scale = std::max((high - low) / 255, 0x1p-100f);
  scheme.row_zero_point = static_cast<std::uint8_t>(std::clamp(std::nearbyint(-low / scheme.row_scale), 0.0f, 255.0f));
  return scheme;
}

Values outputs(const Linear& linear, const RowSample& sample) {
  const kernels::Table& kernels = kernels::table(kernels::default_isa());
  const std::size_t rows = sample.rows();
  std::vector<std::byte> made(rows * linear.row_bytes());
  Values scale(rows), y(rows * linear.out_features());
  const auto ld = static_cast<std::ptrdiff_t>(sample.features());
  const Rows input = linear.make_rows(kernels, sample.data(), ld, rows, made.data(), scale.data());
  linear.run(kernels, input, rows, {}, y.data(), static_cast<std::ptrdiff_t>(linear.out_features()));
  return y;
}

double squared_difference(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

double output_error(std::span<const LinearWeights> linears, const LinearScheme& scheme, const RowSample& sample,
                    const std::vector<Values>& exact) {
  const LinearScheme grid = with_sample_grid(scheme, sample);
  double error = 0;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const LinearWeights w = scheme.multiplier ? smoothed(linears[i], scheme.multiplier) : linears[i];
    error += squared_difference(outputs(Linear(w, grid), sample), exact[i]);
  }
  return error;
}

}  // namespace

void RowSample::add(const Tensor& rows) {
  if (rows.rank() == 0 || rows.size() == 0) return;
  features_ = static_cast<std::size_t>(rows.shape().back());
  const std::size_t count = static_cast<std::size_t>(rows.size()) / features_;
  maxima_.resize(features_, 0.0f);
  for (std::size_t i = 0; i < count; ++i, ++seen_) {
    const float* row = rows.data<float>() + i * features_;
    for (std::size_t k = 0; k < features_; ++k) maxima_[k] = std::max(maxima_[k], std::fabs(row[k]));
    if (seen_ % stride_ != 0) continue;
    if (this->rows() == most_) {  // every second one is enough from now on
      for (std::size_t r = 0; 2 * r < most_; ++r) {
        std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(2 * r * features_), features_,
                    values_.begin() + static_cast<std::ptrdiff_t>(r * features_));
      }
      values_.resize((most_ + 1) / 2 * features_);
      stride_ *= 2;
      if (seen_ % stride_ != 0) continue;
    }
    values_.insert(values_.end(), row, row + features_);
  }
}

LinearWeights smoothed(const LinearWeights& weights, const Tensor& multiplier) {
  LinearWeights w = weights;
  w.weight = weights.weight.clone();
  for_each_weight(w, w.weight.data<float>(), [&](std::size_t k, float& x) { x /= multiplier.data<float>()[k]; });
  return w;
}

std::optional<Smoothing> find_smoothing(std::span<const LinearWeights> linears, const LinearScheme& scheme,
                                        const RowSample& sample) {
  if (linears.empty() || sample.rows() == 0) return std::nullopt;
  std::vector<Values> exact;
  for (const LinearWeights& w : linears) exact.push_back(outputs(Linear(w, LinearPrecision::fp32), sample));
  const Values activations = column_maxima(sample), weights = row_maxima(linears);
  double least = output_error(linears, scheme, sample, exact);
  std::optional<Smoothing> best;
  for (int percent = 30; percent <= 80; percent += 5) {
    const float alpha = static_cast<float>(percent) / 100;
    LinearScheme tried = scheme;
    tried.multiplier = multiplier_for(activations, weights, alpha);
    const double error = output_error(linears, tried, sample, exact);
    if (error < least) {
      least = error;
      best = Smoothing{alpha, tried.multiplier};
    }
  }
  return best;
}

}  // namespace sesame::engine
