#include "models/packed_linears.h"

#include <algorithm>
#include <cstring>

namespace sesame::models {

using engine::Linear;
using engine::LinearPrecision;
using engine::LinearWeights;
using engine::Tensor;

namespace {

bool equal(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  return a.raw() == b.raw() || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;  // which ends at the first difference
}

bool same(const LinearWeights& a, const LinearWeights& b) {
  return a.transposed == b.transposed && equal(a.weight, b.weight) && equal(a.bias, b.bias);
}

}  // namespace

Linear PackedLinears::get(const std::vector<LinearWeights>& parts, LinearPrecision precision) {
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.linear.precision() == precision &&
           std::equal(e.parts.begin(), e.parts.end(), parts.begin(), parts.end(), same);
  });
  if (known != entries_.end()) return known->linear;
  entries_.push_back({parts, Linear(parts, precision)});
  return entries_.back().linear;
}

}  // namespace sesame::models
