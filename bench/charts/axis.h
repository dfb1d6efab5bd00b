// From values to places in a picture.
#pragma once

#include <string>
#include <vector>

namespace sesame::bench {

class Axis {
 public:
  // The values [low, high] go to [from, to]; logarithmically when `log`. An empty range is widened.
  Axis(double low, double high, double from, double to, bool log);

  double place(double value) const;
  std::vector<double> ticks() const;

 private:
  double scaled(double value) const;

  double low_;
  double high_;
  double from_;
  double to_;
  bool log_;
};

// The shortest way to write a tick: "0.5", "20", "1k", "2.5M".
std::string tick_text(double value);

}  // namespace sesame::bench
