// Vocabularies and merges as JSON files write them.
#pragma once

#include <memory>
#include <string_view>

#include "models/json.h"
#include "models/tokenizers/bpe.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

// {"token": id, ...}. Refuses ids that two tokens share and ids above `last_id`.
std::unique_ptr<Vocab> read_id_map(const Field& field, std::int64_t last_id);

// Collects merges of tokens of a vocabulary, best first.
class MergeBuilder {
 public:
  // The right token's `prefix`, where it has it, is left out of the join. `vocab` must outlive the builder.
  MergeBuilder(const Vocab& vocab, std::string_view prefix) : vocab_(vocab), prefix_(prefix) {}

  // Returns false when one of the three tokens isn't in the vocabulary.
  bool add(std::string_view left, std::string_view right);
  // The same for "left right".
  bool add(std::string_view both);

  MergeTable table() &&;

 private:
  const Vocab& vocab_;
  std::string prefix_, joined_;
  MergeTable table_;
};

}  // namespace sesame::tokenizers
