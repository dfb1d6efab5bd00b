#include "bench/charts/axis.h"

#include <cmath>

#include "bench/charts/chart.h"

namespace sesame::bench {

Axis::Axis(double low, double high, double from, double to, bool log)
    : low_(low), high_(high), from_(from), to_(to), log_(log) {
  if (high_ > low_) return;
  if (log_) {
    low_ = low / 2;
    high_ = low * 2;
  } else {
    low_ = low - 1;
    high_ = low + 1;
  }
}

double Axis::scaled(double value) const { return log_ ? std::log10(value) : value; }

double Axis::place(double value) const {
  return from_ + (to_ - from_) * (scaled(value) - scaled(low_)) / (scaled(high_) - scaled(low_));
}

std::vector<double> Axis::ticks() const { return bench::ticks(low_, high_, 6, log_); }

std::vector<double> ticks(double low, double high, int count, bool log) {
  std::vector<double> all;
  if (log) {
    for (int power = static_cast<int>(std::floor(std::log10(low))); std::pow(10, power) <= high; ++power) {
      for (const double each : {1.0, 2.0, 5.0}) {
        const double value = each * std::pow(10, power);
        if (value >= low * 0.999 && value <= high * 1.001) all.push_back(value);
      }
    }
    return all;
  }
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double each : {5.0, 2.0, 1.0}) {
    if (each * power >= rough) step = each * power;
  }
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) all.push_back(i * step);
  return all;
}

std::string tick_text(double value) {
  value += 0.0;  // no "-0"
  const char* unit = "";
  if (std::abs(value) >= 1e6) {
    value /= 1e6;
    unit = "M";
  } else if (std::abs(value) >= 1e4) {
    value /= 1e3;
    unit = "k";
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::string(text) + unit;
}

}  // namespace sesame::bench
