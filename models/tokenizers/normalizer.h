// The first stage of a tokenizer: one text becomes another, and each of its code points remembers where it came from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/tokenizers/glyphs.h"
#include "models/tokenizers/pattern.h"
#include "models/tokenizers/unicode.h"

namespace sesame::tokenizers {

// Const and safe to share.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Replaces `text` by its normalized form; `spare` is scratch whose content doesn't matter.
  virtual void normalize(Glyphs& text, Glyphs& spare) const = 0;
};
using NormalizerPtr = std::unique_ptr<const Normalizer>;

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<NormalizerPtr> stages) : stages_(std::move(stages)) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  std::vector<NormalizerPtr> stages_;
};

class Lowercase final : public Normalizer {
 public:
  void normalize(Glyphs& text, Glyphs& spare) const override;
};

// Drops nonspacing marks; decompose first.
class StripAccents final : public Normalizer {
 public:
  void normalize(Glyphs& text, Glyphs& spare) const override;
};

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(NormalForm form) : form_(form) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  NormalForm form_;
};

// Drops white space from the ends.
class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  bool left_, right_;
};

// Puts `prefix` before a text that is not empty.
class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::u32string prefix) : prefix_(std::move(prefix)) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  std::u32string prefix_;
};

// Puts `content` in the place of each match; it covers the range of what it replaces.
class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::u32string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  Pattern pattern_;
  std::u32string content_;
};

// Inserts `prefix` before the first glyph, with an empty range there. Requires a text that is not empty.
void prepend(const std::u32string& prefix, Glyphs& text);

}  // namespace sesame::tokenizers
