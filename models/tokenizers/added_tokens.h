// Tokens that are found in the text itself before anything else looks at it: [MASK], <s>, and what users add.
#pragma once

#include <string>
#include <vector>

#include "models/tokenizers/glyphs.h"
#include "models/tokenizers/normalizer.h"

namespace sesame::tokenizers {

struct AddedToken {
  std::string content;  // UTF-8, not empty
  std::int32_t id = 0;
  bool special = false;
  bool single_word = false;  // only where no word goes on at either side
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // looked for in normalized text
};

// A part of a text: an added token, or text between two (token == nullptr).
struct Section {
  Range range;
  const AddedToken* token;
};

// Finds tokens of one kind, in one pass: of those that begin at the leftmost place the longest.
class AddedTokenMatcher {
 public:
  // `token` must outlive the matcher; `pattern` is its content, normalized where that is asked for. Empty ones are
  // left out; of two that are equal the first counts.
  void add(const AddedToken& token, GlyphView pattern);

  bool empty() const { return nodes_.size() == 1; }

  // Replaces `sections` by the parts of `text`, in order; they cover it, and none is empty.
  void split(GlyphView text, std::vector<Section>& sections) const;

 private:
  struct Edge {
    char32_t code;
    std::uint32_t node;
  };
  struct Node {
    std::vector<Edge> edges;
    const AddedToken* token = nullptr;
  };

  const Edge* edge(std::uint32_t node, char32_t code) const;
  // The longest token at text[at]; `end` is behind it. Null if there is none.
  const AddedToken* match(GlyphView text, std::uint32_t at, std::uint32_t& end) const;

  std::vector<Node> nodes_{1};
  bool starts_ascii_[128] = {};
};

}  // namespace sesame::tokenizers
