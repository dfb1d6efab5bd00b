#include "engine/quantizer/observer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr double kSteps = 255;  // of an 8-bit grid
constexpr std::size_t kLevels = 256;

constexpr std::array<std::pair<CalibrationMethod, std::string_view>, 5> kNames = {{
    {CalibrationMethod::minmax, "minmax"},
    {CalibrationMethod::moving_average, "moving-average"},
    {CalibrationMethod::entropy, "entropy"},
    {CalibrationMethod::percentile, "percentile"},
    {CalibrationMethod::mse, "mse"},
}};

struct Bounds {
  float low, high;
  bool finite;
};

// In lanes that do not wait for each other, which the compiler makes vectors of.
Bounds bounds_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  float low[kLanes], high[kLanes];
  std::fill_n(low, kLanes, values[0]);
  std::fill_n(high, kLanes, values[0]);
  std::uint32_t largest[kLanes] = {};  // magnitudes order as their bits do, infinity and NaN above all others
  const auto take = [&](std::size_t lane, float x) {
    low[lane] = x < low[lane] ? x : low[lane];
    high[lane] = x > high[lane] ? x : high[lane];
    largest[lane] = std::max(largest[lane], std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu);
  };
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(lane, values[i + lane]);
  }
  for (; i < values.size(); ++i) take(0, values[i]);
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes),
          *std::max_element(largest, largest + kLanes) < 0x7F800000u};
}

Range scaled(Range range, double factor) {
  return {static_cast<float>(range.low * factor), static_cast<float>(range.high * factor)};
}

// The shares of the extremes that are tried as clippings.
template <class Cost>
Range cheapest_clipping(Range extremes, Cost cost) {
  Range best = extremes;
  double least = cost(extremes);
  for (int percent = 99; percent >= 10; --percent) {
    const Range range = scaled(extremes, percent / 100.0);
    const double c = cost(range);
    if (c < least) {
      least = c;
      best = range;
    }
  }
  return best;
}

}  // namespace

std::string_view name(CalibrationMethod method) {
  for (const auto& [known, text] : kNames) {
    if (known == method) return text;
  }
  return "";
}

CalibrationMethod parse_calibration_method(std::string_view text) {
  for (const auto& [method, known] : kNames) {
    if (known == text) return method;
  }
  throw Error("expected minmax, moving-average, entropy, percentile or mse as calibration, found '" +
              std::string(text) + "'");
}

Observer::Observer(const CalibrationOptions& options) : options_(options), half_(2 * options.bins) {
  if (!(options.percentile > 0 && options.percentile <= 100)) {
    throw Error("percentile: expected a number above 0 and up to 100, found " + std::to_string(options.percentile));
  }
  if (options.bins < 128 || options.bins > (std::size_t{1} << 20)) {
    throw Error("bins: expected 128 to 1048576, found " + std::to_string(options.bins));
  }
  if (!(options.averaging > 0 && options.averaging <= 1)) {
    throw Error("averaging: expected a number above 0 and up to 1, found " + std::to_string(options.averaging));
  }
}

void Observer::observe(std::span<const float> values) {
  if (values.empty()) return;
  const auto [low, high, finite] = bounds_of(values);
  if (!finite) throw Error("expected finite values to calibrate with, found NaN or infinity");
  extremes_ = {std::min(extremes_.low, low), std::max(extremes_.high, high)};
  const double weight = samples_++ == 0 ? 1 : options_.averaging;
  average_low_ += weight * (std::min(low, 0.0f) - average_low_);
  average_high_ += weight * (std::max(high, 0.0f) - average_high_);
  count_ += values.size();

  const float magnitude = std::max(-low, high);
  if (magnitude >= limit_) grow(magnitude);
  if (counts_.empty()) {
    zeros_ += values.size();
    return;
  }
  const auto per_bin = static_cast<float>(static_cast<double>(half_) / limit_);
  const auto middle = static_cast<float>(half_);
  std::uint64_t* const counts = counts_.data();
  // |x| < limit; the sum may round up to the number of bins.
  for (float x : values) ++counts[std::min<std::size_t>(static_cast<std::size_t>(x * per_bin + middle), 2 * half_ - 1)];
}

void Observer::grow(float magnitude) {
  if (magnitude == 0) return;
  if (counts_.empty()) {
    counts_.assign(2 * half_, 0);
    counts_[half_] = std::exchange(zeros_, 0);
    // A denormal's own power of two would make the width of a bin vanish.
    limit_ = std::ldexp(1.0, std::max(std::ilogb(magnitude) + 1, -100));
    return;
  }
  for (; magnitude >= limit_; limit_ *= 2) {
    for (std::size_t i = 0; i < half_ / 2; ++i) {
      counts_[half_ + i] = counts_[half_ + 2 * i] + counts_[half_ + 2 * i + 1];
      counts_[half_ - 1 - i] = counts_[half_ - 1 - 2 * i] + counts_[half_ - 2 - 2 * i];
    }
    std::fill_n(counts_.begin(), half_ / 2, 0);
    std::fill_n(counts_.end() - static_cast<std::ptrdiff_t>(half_ / 2), half_ / 2, 0);
  }
}

double Observer::center(std::size_t bin) const {
  return (static_cast<double>(bin) + 0.5 - static_cast<double>(half_)) * limit_ / static_cast<double>(half_);
}

std::size_t Observer::bin_of(double x) const {
  const double at = std::floor(x * static_cast<double>(half_) / limit_) + static_cast<double>(half_);
  return static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(2 * half_ - 1)));
}

Range Observer::range() const {
  if (counts_.empty()) return extremes_;
  switch (options_.method) {
    case CalibrationMethod::minmax:
      return extremes_;
    case CalibrationMethod::moving_average:
      return {static_cast<float>(average_low_), static_cast<float>(average_high_)};
    case CalibrationMethod::percentile:
      return percentile_range();
    case CalibrationMethod::mse:
      return cheapest_clipping(extremes_, [&](Range r) { return mean_squared_error(r); });
    case CalibrationMethod::entropy:
      break;
  }
  return cheapest_clipping(extremes_, [&](Range r) { return divergence(r); });
}

Range Observer::percentile_range() const {
  const double out = static_cast<double>(count_) * (100 - options_.percentile) / 200;
  const double width = limit_ / static_cast<double>(half_);
  double seen = 0;
  std::size_t first = 0;
  while (first + 1 < counts_.size() && seen + static_cast<double>(counts_[first]) <= out) {
    seen += static_cast<double>(counts_[first++]);
  }
  seen = 0;
  std::size_t last = counts_.size() - 1;
  while (last > 0 && seen + static_cast<double>(counts_[last]) <= out) seen += static_cast<double>(counts_[last--]);
  const double low = (static_cast<double>(first) - static_cast<double>(half_)) * width;
  const double high = (static_cast<double>(last) + 1 - static_cast<double>(half_)) * width;
  return {static_cast<float>(std::clamp<double>(low, extremes_.low, 0)),
          static_cast<float>(std::clamp<double>(high, 0, extremes_.high))};
}

double Observer::clipped_share(Range range) const {
  if (count_ == 0 || counts_.empty()) return 0;
  std::uint64_t outside = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const double x = center(i);
    // A bin that holds an end of the range counts as inside.
    const double half_width = limit_ / static_cast<double>(half_) / 2;
    if (x + half_width < range.low || x - half_width > range.high) outside += counts_[i];
  }
  return static_cast<double>(outside) / static_cast<double>(count_);
}

double Observer::mean_square() const {
  double sum = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) sum += static_cast<double>(counts_[i]) * center(i) * center(i);
  return count_ == 0 ? 0 : sum / static_cast<double>(count_);
}

double Observer::mean_squared_error(Range range) const {
  if (count_ == 0 || counts_.empty()) return 0;
  const double scale = (static_cast<double>(range.high) - range.low) / kSteps;
  if (scale <= 0) return mean_square();
  const double zero_point = std::nearbyint(-range.low / scale);
  double sum = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const double x = center(i);
    const double q = std::clamp(std::nearbyint(x / scale) + zero_point, 0.0, kSteps);
    const double error = x - (q - zero_point) * scale;
    sum += static_cast<double>(counts_[i]) * error * error;
  }
  return sum / static_cast<double>(count_);
}

// KL(P || Q): P is the histogram inside the range with what is clipped added to its ends, Q the same counts, without
// what is clipped, spread evenly over the non-empty bins of each of the grid's 256 levels.
double Observer::divergence(Range range) const {
  const std::size_t first = bin_of(range.low), last = bin_of(range.high);
  const std::size_t bins = last - first + 1;
  if (bins < kLevels) return std::numeric_limits<double>::infinity();
  std::vector<double> p(counts_.begin() + static_cast<std::ptrdiff_t>(first),
                        counts_.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  std::vector<double> q(bins, 0.0);
  for (std::size_t level = 0; level < kLevels; ++level) {
    const std::size_t begin = level * bins / kLevels, end = (level + 1) * bins / kLevels;
    const double total = std::accumulate(p.begin() + static_cast<std::ptrdiff_t>(begin),
                                         p.begin() + static_cast<std::ptrdiff_t>(end), 0.0);
    const auto filled = static_cast<double>(std::count_if(p.begin() + static_cast<std::ptrdiff_t>(begin),
                                                          p.begin() + static_cast<std::ptrdiff_t>(end),
                                                          [](double c) { return c > 0; }));
    for (std::size_t i = begin; i < end; ++i) q[i] = p[i] > 0 ? total / filled : 0;
  }
  const double inside = std::accumulate(q.begin(), q.end(), 0.0);
  p.front() += static_cast<double>(
      std::accumulate(counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(first), std::uint64_t{0}));
  p.back() += static_cast<double>(
      std::accumulate(counts_.begin() + static_cast<std::ptrdiff_t>(last) + 1, counts_.end(), std::uint64_t{0}));
  if (inside == 0) return std::numeric_limits<double>::infinity();
  constexpr double kLeast = 1e-4;  // a count for bins that Q lost
  double sum = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    const double share = p[i] / static_cast<double>(count_);
    if (share > 0) sum += share * std::log(share / (std::max(q[i], kLeast) / inside));
  }
  return sum;
}

}  // namespace sesame::engine
