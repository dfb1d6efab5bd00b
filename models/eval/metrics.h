// What answers are worth: metrics over predictions, each by its plain formula.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace sesame::models {

// |{i : a[i] == b[i]}| / n. Accuracy when b is what was expected, agreement when b is another model's answer. Both have
// the same length; NaN when that is 0.
double matching_share(std::span<const std::size_t> a, std::span<const std::size_t> b);

// The same over the examples whose expected class is not `excluded`; absent when that leaves none.
std::optional<double> matching_share_without(std::span<const std::size_t> predicted,
                                             std::span<const std::size_t> expected, std::size_t excluded);

// 2 TP / (2 TP + FP + FN) of the class `positive`, and 0 when it is neither expected nor predicted.
double f1_score(std::span<const std::size_t> predicted, std::span<const std::size_t> expected, std::size_t positive);

// Matthews' correlation of the classes 0 and not 0: (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), 0 where that
// divides by 0.
double matthews_correlation(std::span<const std::size_t> predicted, std::span<const std::size_t> expected);

// Pearson's correlation; NaN when one side does not vary.
double pearson_correlation(std::span<const double> a, std::span<const double> b);

// Pearson's of the ranks, equal values sharing the mean of their ranks.
double spearman_correlation(std::span<const double> a, std::span<const double> b);

// a . b / (|a| |b|); NaN for a zero vector.
double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace sesame::models
