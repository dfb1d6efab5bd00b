// BERT's normalizer: clean, space out ideographs, strip accents, lower.
#pragma once

#include "models/tokenizers/normalizer.h"

namespace sesame::tokenizers {

struct BertOptions {
  bool clean_text = true;            // drop NUL, U+FFFD and control characters, make white space plain
  bool handle_chinese_chars = true;  // put spaces around each CJK ideograph
  bool strip_accents = true;         // decompose canonically and drop nonspacing marks
  bool lowercase = true;
  bool drop_unassigned = false;  // clean_text drops code points without a category, too
};

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const BertOptions& options);
  void normalize(Glyphs& text, Glyphs& spare) const override;

 private:
  void append_other(const Glyph& glyph, Glyphs& out, Glyphs& parts) const;

  BertOptions options_;
  char ascii_[128];  // what becomes of an ASCII character; 0: dropped
};

}  // namespace sesame::tokenizers
