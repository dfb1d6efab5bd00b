// Packs Linears once for all layers that have the same weights: ALBERT's layers are one, called again and again, and
// exporters write its weights once or a copy for each call.
#pragma once

#include <span>
#include <vector>

#include "engine/linear.h"

namespace sesame::models {

class PackedLinears {
 public:
  // The Linear of these parts (engine/linear.h); one that was asked for with equal weights shares their memory.
  engine::Linear get(const std::vector<engine::LinearWeights>& parts, engine::LinearPrecision precision);

 private:
  struct Entry {
    std::vector<engine::LinearWeights> parts;
    engine::Linear linear;
  };
  std::vector<Entry> entries_;
};

}  // namespace sesame::models
