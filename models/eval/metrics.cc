#include "models/eval/metrics.h"

#include <cassert>
#include <limits>

namespace sesame::models {

double matching_share(std::span<const std::size_t> a, std::span<const std::size_t> b) {
  assert(a.size() == b.size());
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
  if (a.empty()) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(same) / static_cast<double>(a.size());
}

std::optional<double> matching_share_without(std::span<const std::size_t> predicted,
                                             std::span<const std::size_t> expected, std::size_t excluded) {
  assert(predicted.size() == expected.size());
  std::size_t same = 0;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    if (expected[i] == excluded) continue;
    ++counted;
    same += predicted[i] == expected[i];
  }
  if (counted == 0) return std::nullopt;
  return static_cast<double>(same) / static_cast<double>(counted);
}

}  // namespace sesame::models
