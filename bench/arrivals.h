// Requests that arrive when they like: a latency-bound server's load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sesame::bench {

// The arrival times, in milliseconds and ascending, of `requests` of a Poisson process with `per_second` a second on
// average. The same seed gives the same times everywhere.
std::vector<double> poisson_arrivals(double per_second, std::size_t requests, std::uint64_t seed);

}  // namespace sesame::bench
