// The pictures of a report.
#pragma once

#include <string>
#include <vector>

#include "bench/charts/chart.h"
#include "bench/profile.h"
#include "bench/report.h"

namespace sesame::bench {

struct Picture {
  std::string name;  // of its file, without ".svg"
  std::string svg;
};

// Those for which there are results: accuracy against latency with the area as size ("accuracy"), latency against
// length with what the peak allows ("length"), throughput against batch ("batch") and against cores ("cores"), waiting
// against rate ("rate"), and the time of each step ("profile").
std::vector<Picture> pictures(const Report& report);

}  // namespace sesame::bench
