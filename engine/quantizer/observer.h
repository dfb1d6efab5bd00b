// Which range of values a tensor takes, seen a sample at a time: a histogram whose size does not depend on how much it
// has seen, and five ways of reading a range out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::engine {

// What is to be told apart by 8 bits; low <= 0 <= high, so that 0 is always a value of the grid.
struct Range {
  float low = 0;
  float high = 0;
  bool operator==(const Range&) const = default;
};

enum class CalibrationMethod {
  minmax,          // the least and the greatest value of all
  moving_average,  // of each sample's least and greatest value, exponentially: m += averaging * (x - m)
  entropy,         // the clipping whose 8-bit histogram has the least Kullback-Leibler divergence from the real one
  percentile,      // leaves (100 - percentile) / 2 percent of the values out on either side
  mse,             // the clipping with the least mean squared error after 8-bit quantization
};

std::string_view name(CalibrationMethod method);
CalibrationMethod parse_calibration_method(std::string_view text);  // throws Error

struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::percentile;
  double percentile = 99.999;  // in (0, 100]
  std::size_t bins = 2048;     // at least so many between zero and the largest magnitude
  double averaging = 0.01;     // in (0, 1]
};

// The histogram lies evenly over [-limit, limit], where limit is a power of two that covers all values seen: when it
// has to grow, it doubles, and neighbouring bins are added. So the counts are exact whatever the order of the samples.
class Observer {
 public:
  // Throws Error when an option is out of its bounds.
  explicit Observer(const CalibrationOptions& options = {});

  // One sample's values. Throws Error when one is NaN or infinite.
  void observe(std::span<const float> values);

  std::uint64_t count() const { return count_; }
  Range extremes() const { return extremes_; }  // of all values, widened to hold 0
  Range range() const;                          // by the method; extremes() when nothing was seen
  // The share of the values outside [range.low, range.high], to the resolution of a bin.
  double clipped_share(Range range) const;
  // Mean square of the values and of the error of an asymmetric 8-bit grid over the range, from the histogram.
  double mean_square() const;
  double mean_squared_error(Range range) const;

 private:
  void grow(float magnitude);
  double center(std::size_t bin) const;
  Range percentile_range() const;
  double divergence(Range range) const;
  std::size_t bin_of(double x) const;

  CalibrationOptions options_;
  std::size_t half_;                   // bins on either side of 0
  std::vector<std::uint64_t> counts_;  // 2 * half_, empty until there is a value other than 0
  double limit_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;  // values that were 0 before there was a histogram
  std::uint64_t samples_ = 0;
  Range extremes_;
  double average_low_ = 0, average_high_ = 0;
};

}  // namespace sesame::engine
