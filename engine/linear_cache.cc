#include "engine/linear_cache.h"

#include <algorithm>
#include <cstring>

namespace sesame::engine {

namespace {

bool equal(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  return a.raw() == b.raw() || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;  // which ends at the first difference
}

bool equal(const PackedLinear& a, const PackedLinear& b) {
  return a.in == b.in && a.out == b.out && equal(a.weight, b.weight) && equal(a.bias, b.bias) &&
         equal(a.scale, b.scale) && equal(a.acc_init, b.acc_init);
}

bool same_weights(const LinearWeights& a, const LinearWeights& b) {
  if (a.packed || b.packed) return a.packed && b.packed && equal(*a.packed, *b.packed);
  return a.transposed == b.transposed && equal(a.weight, b.weight) && equal(a.bias, b.bias);
}

bool same_scheme(const LinearScheme& a, const LinearScheme& b) {
  return same_rows(a, b) && a.weights.largest == b.weights.largest && a.weights.one_scale == b.weights.one_scale;
}

}  // namespace

const Linear& LinearCache::get(std::span<const LinearWeights> parts, const LinearScheme& scheme) {
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return same_scheme(e.linear.scheme(), scheme) &&
           std::equal(e.parts.begin(), e.parts.end(), parts.begin(), parts.end(), same_weights);
  });
  if (known != entries_.end()) return known->linear;
  entries_.push_back({{parts.begin(), parts.end()}, Linear(parts, scheme)});
  return entries_.back().linear;
}

}  // namespace sesame::engine
