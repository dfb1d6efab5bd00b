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

}  // namespace sesame::models
