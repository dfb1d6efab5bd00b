// A spec small enough to be made in a moment.
#pragma once

#include <cstdint>
#include <string_view>

#include "models/synthesis/model_spec.h"

namespace sesame::models::synthesis {

// The sizes of the conformance models.
inline ModelSpec tiny(std::string_view architecture, Task task, std::int64_t labels = 2) {
  ModelSpec spec = published_spec(architecture);
  spec.task = task;
  spec.hidden = 48;
  spec.layers = 2;
  spec.heads = 4;
  spec.ffn = 100;
  spec.vocab = 120;
  spec.max_positions = 40;
  spec.labels = labels;
  if (spec.embedding != 0) spec.embedding = architecture == "mobilebert" ? 24 : 20;
  if (spec.bottleneck != 0) spec.bottleneck = 16, spec.feed_forwards = 2, spec.ffn = 32;
  if (spec.buckets != 0) spec.buckets = 8;
  return spec;
}

}  // namespace sesame::models::synthesis
