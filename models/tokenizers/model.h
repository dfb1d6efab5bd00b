// The third stage of a tokenizer: words become tokens.
#pragma once

#include <memory>
#include <vector>

#include "models/tokenizers/glyphs.h"

namespace sesame::tokenizers {

// Const and safe to share.
class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of the words, in order.
  virtual void tokenize(const Words& words, std::vector<Token>& tokens) const = 0;
};
using ModelPtr = std::unique_ptr<const Model>;

}  // namespace sesame::tokenizers
