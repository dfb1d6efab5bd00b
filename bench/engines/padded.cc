#include "bench/engines/padded.h"

#include <algorithm>

namespace sesame::bench {

PaddedBatch pad(const TokenBatch& batch, std::int64_t pad_id) {
  PaddedBatch padded{.batch = batch.size(), .length = 0, .ids = {}, .mask = {}, .types = {}};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    padded.length = std::max(padded.length, batch.row_offsets[i + 1] - batch.row_offsets[i]);
  }
  padded.ids.assign(padded.batch * padded.length, pad_id);
  padded.mask.assign(padded.ids.size(), 0);
  padded.types.assign(padded.ids.size(), 0);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    for (std::size_t from = batch.row_offsets[i]; from < batch.row_offsets[i + 1]; ++from) {
      const std::size_t to = i * padded.length + from - batch.row_offsets[i];
      padded.ids[to] = batch.ids[from];
      padded.mask[to] = 1;
      if (!batch.type_ids.empty()) padded.types[to] = batch.type_ids[from];
    }
  }
  return padded;
}

TokenBatch unpad(const PaddedBatch& padded) {
  TokenBatch batch;
  for (std::size_t i = 0; i < padded.batch; ++i) {
    std::vector<std::int64_t> ids;
    std::vector<std::int64_t> types;
    for (std::size_t at = i * padded.length; at < (i + 1) * padded.length; ++at) {
      if (padded.mask[at] == 0) continue;
      ids.push_back(padded.ids[at]);
      types.push_back(padded.types[at]);
    }
    batch.add(ids, types);
  }
  return batch;
}

}  // namespace sesame::bench
