#include "bench/arrivals.h"

#include <cmath>
#include <random>

namespace sesame::bench {

std::vector<double> poisson_arrivals(double per_second, std::size_t requests, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> times;
  double now = 0;
  for (std::size_t i = 0; i < requests; ++i) {
    // Gaps are exponential: -ln(u) / rate with u in (0, 1].
    const double u = (static_cast<double>(generator() >> 11) + 1) * 0x1p-53;
    now += -std::log(u) / per_second * 1000;
    times.push_back(now);
  }
  return times;
}

}  // namespace sesame::bench
