// Linears of the same weights are packed once: layers that share their weights share their memory. ALBERT's layers are
// one, called again and again, and exporters write its weights once or a copy for each call.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "engine/linear.h"

namespace sesame::engine {

class LinearCache {
 public:
  // The Linear of these parts; one that was asked for with equal weights and the same scheme shares their memory.
  const Linear& get(std::span<const LinearWeights> parts, const LinearScheme& scheme);

 private:
  struct Entry {
    std::vector<LinearWeights> parts;
    Linear linear;
  };
  std::vector<Entry> entries_;
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
