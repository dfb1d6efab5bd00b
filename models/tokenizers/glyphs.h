// Text on its way through a tokenizer: code points that remember where they come from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sesame::tokenizers {

// One code point of a (normalized) text and the code points [begin, end) of the original text that it stands for.
// What a normalizer inserts has an empty range or its neighbour's.
struct Glyph {
  char32_t code;
  std::uint32_t begin;
  std::uint32_t end;
};
using Glyphs = std::vector<Glyph>;
using GlyphView = std::span<const Glyph>;

// A half-open range of glyph indices.
struct Range {
  std::uint32_t begin;
  std::uint32_t end;
};

// A text split into words: ranges of `glyphs`, in order, none empty; what lies between them is dropped.
struct Words {
  Glyphs glyphs;
  std::vector<Range> ranges;
};

// A piece of a word that the model knows, with its place in the original text.
struct Token {
  std::int32_t id;
  std::uint32_t begin;
  std::uint32_t end;
};

}  // namespace sesame::tokenizers
