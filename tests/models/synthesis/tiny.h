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
  return spec;
}

}  // namespace sesame::models::synthesis
