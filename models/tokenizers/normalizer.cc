#include "models/tokenizers/normalizer.h"

#include <algorithm>

namespace sesame::tokenizers {

void NormalizerSequence::normalize(Glyphs& text, Glyphs& spare) const {
  for (const NormalizerPtr& stage : stages_) stage->normalize(text, spare);
}

void Lowercase::normalize(Glyphs& text, Glyphs& spare) const {
  spare.clear();
  for (const Glyph& glyph : text) append_lower(glyph, spare);
  text.swap(spare);
}

void StripAccents::normalize(Glyphs& text, Glyphs&) const {
  std::erase_if(text, [](const Glyph& glyph) { return is_nonspacing_mark(glyph.code); });
}

void UnicodeForm::normalize(Glyphs& text, Glyphs& spare) const { tokenizers::normalize(form_, text, spare); }

void Strip::normalize(Glyphs& text, Glyphs&) const {
  const auto ink = [](const Glyph& glyph) { return !is_whitespace(glyph.code); };
  if (right_) text.erase(std::find_if(text.rbegin(), text.rend(), ink).base(), text.end());
  if (left_) text.erase(text.begin(), std::find_if(text.begin(), text.end(), ink));
}

void Prepend::normalize(Glyphs& text, Glyphs&) const {
  if (!text.empty()) prepend(prefix_, text);
}

void Replace::normalize(Glyphs& text, Glyphs& spare) const {
  std::vector<Range> matches;
  pattern_.find_all(text, matches);
  if (matches.empty()) return;
  spare.clear();
  std::uint32_t at = 0;
  for (const Range match : matches) {
    spare.insert(spare.end(), text.begin() + at, text.begin() + match.begin);
    for (const char32_t code : content_) {
      spare.push_back({code, text[match.begin].begin, text[match.end - 1].end});
    }
    at = match.end;
  }
  spare.insert(spare.end(), text.begin() + at, text.end());
  text.swap(spare);
}

void prepend(const std::u32string& prefix, Glyphs& text) {
  const std::uint32_t place = text.front().begin;
  text.insert(text.begin(), prefix.size(), Glyph{0, place, place});
  for (std::size_t i = 0; i < prefix.size(); ++i) text[i].code = prefix[i];
}

}  // namespace sesame::tokenizers
