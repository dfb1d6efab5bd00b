// Linears of the same weights are packed once: layers that share their weights (ALBERT) share their memory.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "engine/linear.h"

namespace sesame::engine {

class LinearCache {
 public:
  // Weights are the same when they are the same memory.
  const Linear& get(std::span<const LinearWeights> parts, LinearPrecision precision) {
    Key key{precision, {}};
    for (const LinearWeights& w : parts) {
      key.second.emplace_back(w.weight.raw(), w.bias ? w.bias.raw() : nullptr, w.transposed);
    }
    const auto it = packed_.find(key);
    if (it != packed_.end()) return it->second;
    weights_.insert(weights_.end(), parts.begin(), parts.end());
    return packed_.emplace(std::move(key), Linear(parts, precision)).first->second;
  }

 private:
  using Key = std::pair<LinearPrecision, std::vector<std::tuple<const void*, const void*, bool>>>;

  std::map<Key, Linear> packed_;
  std::vector<LinearWeights> weights_;  // alive as long as their addresses mean them
};

// Adds up the memory of Linears, once for those that share it.
class LinearBytes {
 public:
  void add(const Linear& linear) {
    if (linear && seen_.insert(linear.storage()).second) bytes_ += linear.weight_bytes();
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::set<const void*> seen_;
  std::size_t bytes_ = 0;
};

}  // namespace sesame::engine
