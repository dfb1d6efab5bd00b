#include "models/tokenizers/bert_normalizer.h"

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {

BertNormalizer::BertNormalizer(const BertOptions& options) : options_(options) {
  for (char32_t code = 0; code < 128; ++code) {
    char32_t result = code;
    if (options.clean_text && is_control(code)) result = 0;
    if (options.clean_text && is_whitespace(code) && !is_control(code)) result = ' ';
    if (options.lowercase && result >= 'A' && result <= 'Z') result |= 0x20;
    ascii_[code] = static_cast<char>(result);
  }
}

void BertNormalizer::normalize(Glyphs& text, Glyphs& spare) const {
  spare.clear();
  spare.reserve(text.size());
  Glyphs parts;
  for (const Glyph& glyph : text) {
    if (glyph.code >= 128) {
      append_other(glyph, spare, parts);
    } else if (const char code = ascii_[glyph.code]; code != 0 || !options_.clean_text) {
      spare.push_back({static_cast<char32_t>(code), glyph.begin, glyph.end});
    }
  }
  text.swap(spare);
}

void BertNormalizer::append_other(const Glyph& glyph, Glyphs& out, Glyphs& parts) const {
  if (options_.clean_text) {
    if (glyph.code == kReplacement || is_control(glyph.code)) return;
    if (options_.drop_unassigned && is_unassigned(glyph.code)) return;
    if (is_whitespace(glyph.code)) {
      out.push_back({U' ', glyph.begin, glyph.end});
      return;
    }
  }
  const bool spaced = options_.handle_chinese_chars && is_cjk(glyph.code);
  if (spaced) out.push_back({U' ', glyph.begin, glyph.begin});
  parts.clear();
  if (options_.strip_accents) {
    append_decomposed(glyph, false, parts);
    std::erase_if(parts, [](const Glyph& part) { return is_nonspacing_mark(part.code); });
  } else {
    parts.push_back(glyph);
  }
  for (const Glyph& part : parts) {
    if (options_.lowercase) {
      append_lower(part, out);
    } else {
      out.push_back(part);
    }
  }
  if (spaced) out.push_back({U' ', glyph.end, glyph.end});
}

}  // namespace sesame::tokenizers
