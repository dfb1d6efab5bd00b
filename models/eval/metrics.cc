#include "models/eval/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace sesame::models {
namespace {

// Predicted against expected, for one class against the others.
struct Counts {
  double true_positive = 0, false_positive = 0, false_negative = 0, true_negative = 0;
};

template <class IsPositive>
Counts count(std::span<const std::size_t> predicted, std::span<const std::size_t> expected, IsPositive is_positive) {
  assert(predicted.size() == expected.size());
  Counts counts;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const bool got = is_positive(predicted[i]);
    const bool want = is_positive(expected[i]);
    ++(want ? (got ? counts.true_positive : counts.false_negative)
            : (got ? counts.false_positive : counts.true_negative));
  }
  return counts;
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

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

double f1_score(std::span<const std::size_t> predicted, std::span<const std::size_t> expected, std::size_t positive) {
  const Counts counts = count(predicted, expected, [&](std::size_t label) { return label == positive; });
  const double both = 2 * counts.true_positive + counts.false_positive + counts.false_negative;
  return both == 0 ? 0 : 2 * counts.true_positive / both;
}

double matthews_correlation(std::span<const std::size_t> predicted, std::span<const std::size_t> expected) {
  const auto [tp, fp, fn, tn] = count(predicted, expected, [](std::size_t label) { return label != 0; });
  const double product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn);
  return product == 0 ? 0 : (tp * tn - fp * fn) / std::sqrt(product);
}

double pearson_correlation(std::span<const double> a, std::span<const double> b) {
  assert(a.size() == b.size());
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

double spearman_correlation(std::span<const double> a, std::span<const double> b) {
  return pearson_correlation(ranks(a), ranks(b));
}

double cosine(std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace sesame::models
