// The last stage of a tokenizer: special tokens around one text or a pair, and which text each token belongs to.
#pragma once

#include <cstdint>
#include <vector>

namespace sesame::tokenizers {

// One place of a template: a text's tokens or a special token's ids, with the type id that they get.
struct TemplateItem {
  enum class Kind { kFirst, kSecond, kSpecial };
  Kind kind = Kind::kSpecial;
  std::int32_t type_id = 0;
  std::vector<std::int32_t> ids;  // of kSpecial
};

// `single` holds the first text once and no second, `pair` both once.
struct Template {
  std::vector<TemplateItem> single, pair;

  static Template plain();  // no special tokens; type ids 0 and 1
  // cls A sep, and cls A sep B sep with type id 1 from B on.
  static Template bert(std::int32_t cls, std::int32_t sep);
  // cls A sep, and cls A sep sep B sep with the type id `second` behind A's sep. The models themselves have one
  // type; Hugging Face's JavaScript gives 1 and its Python and Rust give 0.
  static Template roberta(std::int32_t cls, std::int32_t sep, std::int32_t second);
};

inline std::size_t special_count(const std::vector<TemplateItem>& items) {
  std::size_t count = 0;
  for (const TemplateItem& item : items) count += item.ids.size();
  return count;
}

}  // namespace sesame::tokenizers
