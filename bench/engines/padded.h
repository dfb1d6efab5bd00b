// A ragged batch as engines without ragged rows want it: padded on the right to the longest, with a mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sesame/sesame.h"

namespace sesame::bench {

struct PaddedBatch {
  std::size_t batch = 0;
  std::size_t length = 0;          // of the longest sequence
  std::vector<std::int64_t> ids;   // batch * length, `pad_id` at padded positions
  std::vector<std::int64_t> mask;  // 1 for real tokens, else 0
  std::vector<std::int64_t> types;
};

PaddedBatch pad(const TokenBatch& batch, std::int64_t pad_id);

// The sequences without their padding: the tokens whose mask is not 0.
TokenBatch unpad(const PaddedBatch& padded);

}  // namespace sesame::bench
