#include "models/tokenizers/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace sesame::tokenizers {
namespace {

utf8proc_category_t category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool within(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

bool in(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }

bool is_ascii_letter(char32_t code) { return in(code | 0x20, 'a', 'z'); }

// Puts each run of marks into the order of their combining classes (Unicode 15, definition D109).
void reorder_marks(Glyphs& text) {
  const auto class_of = [](const Glyph& glyph) { return combining_class(glyph.code); };
  for (auto at = text.begin(); at != text.end();) {
    const auto first = std::find_if(at, text.end(), [&](const Glyph& glyph) { return class_of(glyph) != 0; });
    const auto last = std::find_if(first, text.end(), [&](const Glyph& glyph) { return class_of(glyph) == 0; });
    std::stable_sort(first, last, [&](const Glyph& a, const Glyph& b) { return class_of(a) < class_of(b); });
    at = last;
  }
}

// The primary composite of two code points, or 0. utf8proc shows its table only through whole strings.
char32_t composite(char32_t first, char32_t second) {
  if (second < 0x300 || first < 0x20) return 0;  // nothing composes with what lies below the combining marks
  utf8proc_int32_t both[] = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(both, 2, options) == 1 ? static_cast<char32_t>(both[0]) : 0;
}

// Composes decomposed and ordered text (definition D117): a glyph joins the last starter unless one between them
// blocks.
void compose(Glyphs& text) {
  std::size_t out = 0;
  std::size_t starter = text.size();  // none yet
  int last_class = -1;                // of what stands between the starter and the present glyph; -1: nothing
  for (const Glyph glyph : text) {
    const int present = combining_class(glyph.code);
    const bool blocked = last_class >= present;
    const char32_t joined = starter < out && !blocked ? composite(text[starter].code, glyph.code) : 0;
    if (joined != 0) {
      text[starter].code = joined;
      text[starter].end = std::max(text[starter].end, glyph.end);
      continue;
    }
    if (present == 0) starter = out;
    last_class = present == 0 ? -1 : present;
    text[out++] = glyph;
  }
  text.resize(out);
}

}  // namespace

bool is_whitespace(char32_t code) {
  if (code < 0x80) return code == ' ' || in(code, '\t', '\r');
  return code == 0x85 || code == 0xA0 || code == 0x1680 || in(code, 0x2000, 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_letter(char32_t code) {
  if (code < 0x80) return is_ascii_letter(code);
  return within(category(code), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool is_number(char32_t code) {
  if (code < 0x80) return in(code, '0', '9');
  return within(category(code), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool is_word(char32_t code) {
  if (code < 0x80) return is_ascii_letter(code) || in(code, '0', '9') || code == '_';
  const auto value = category(code);
  return within(value, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_ND) || value == UTF8PROC_CATEGORY_NL ||
         value == UTF8PROC_CATEGORY_PC || in(code, 0x200C, 0x200D);
}

bool is_nonspacing_mark(char32_t code) { return code >= 0x300 && category(code) == UTF8PROC_CATEGORY_MN; }

bool is_unassigned(char32_t code) { return code >= 0x80 && category(code) == UTF8PROC_CATEGORY_CN; }

bool is_decimal_digit(char32_t code) {
  if (code < 0x80) return in(code, '0', '9');
  return category(code) == UTF8PROC_CATEGORY_ND;
}

bool is_control(char32_t code) {
  if (code < 0x80) return (code < ' ' && code != '\t' && code != '\n' && code != '\r') || code == 0x7F;
  const auto value = category(code);
  return value == UTF8PROC_CATEGORY_CC || value == UTF8PROC_CATEGORY_CF || value == UTF8PROC_CATEGORY_CO;
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) return in(code, '!', '/') || in(code, ':', '@') || in(code, '[', '`') || in(code, '{', '~');
  return within(category(code), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool is_cjk(char32_t code) {
  if (code < 0x3400) return false;
  return in(code, 0x4E00, 0x9FFF) || in(code, 0x3400, 0x4DBF) || in(code, 0x20000, 0x2A6DF) ||
         in(code, 0x2A700, 0x2CEAF) || in(code, 0xF900, 0xFAFF) || in(code, 0x2F800, 0x2FA1F);
}

std::uint8_t combining_class(char32_t code) {
  if (code < 0x300) return 0;
  return static_cast<std::uint8_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(code))->combining_class);
}

void append_lower(const Glyph& glyph, Glyphs& out) {
  const char32_t code = glyph.code;
  if (code < 0x80) {
    out.push_back({in(code, 'A', 'Z') ? code | 0x20 : code, glyph.begin, glyph.end});
    return;
  }
  if (code == 0x130) {  // the only code point whose lower case is two: i and a dot above
    out.push_back({U'i', glyph.begin, glyph.end});
    out.push_back({0x307, glyph.begin, glyph.end});
    return;
  }
  const auto lower = utf8proc_tolower(static_cast<utf8proc_int32_t>(code));
  out.push_back({static_cast<char32_t>(lower), glyph.begin, glyph.end});
}

void append_decomposed(const Glyph& glyph, bool compatibility, Glyphs& out) {
  if (glyph.code < 0xA0) {
    out.push_back(glyph);
    return;
  }
  utf8proc_int32_t parts[32];  // the longest decomposition, of U+FDFA, has 18
  int last_boundclass = 0;
  const int options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(glyph.code), parts, 32,
                                             static_cast<utf8proc_option_t>(options), &last_boundclass);
  if (count < 1 || count > 32) {
    out.push_back(glyph);
    return;
  }
  for (int i = 0; i < count; ++i) out.push_back({static_cast<char32_t>(parts[i]), glyph.begin, glyph.end});
}

void normalize(NormalForm form, Glyphs& text, Glyphs& spare) {
  const bool plain = std::all_of(text.begin(), text.end(), [](const Glyph& glyph) { return glyph.code < 0xA0; });
  if (plain) return;
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  spare.clear();
  for (const Glyph& glyph : text) append_decomposed(glyph, compatibility, spare);
  text.swap(spare);
  reorder_marks(text);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(text);
}

void grapheme_ends(GlyphView text, std::vector<std::uint32_t>& ends) {
  ends.clear();
  utf8proc_int32_t state = 0;
  for (std::uint32_t i = 1; i < text.size(); ++i) {
    const auto before = static_cast<utf8proc_int32_t>(text[i - 1].code);
    const auto after = static_cast<utf8proc_int32_t>(text[i].code);
    if (utf8proc_grapheme_break_stateful(before, after, &state)) ends.push_back(i);
  }
  if (!text.empty()) ends.push_back(static_cast<std::uint32_t>(text.size()));
}

}  // namespace sesame::tokenizers
