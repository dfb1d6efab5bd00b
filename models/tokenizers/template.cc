#include "models/tokenizers/template.h"

namespace sesame::tokenizers {
namespace {

using Kind = TemplateItem::Kind;

TemplateItem first() { return {Kind::kFirst, 0, {}}; }
TemplateItem second(std::int32_t type_id) { return {Kind::kSecond, type_id, {}}; }
TemplateItem special(std::int32_t id, std::int32_t type_id) { return {Kind::kSpecial, type_id, {id}}; }

}  // namespace

Template Template::plain() { return {{first()}, {first(), second(1)}}; }

Template Template::bert(std::int32_t cls, std::int32_t sep) {
  return {{special(cls, 0), first(), special(sep, 0)},
          {special(cls, 0), first(), special(sep, 0), second(1), special(sep, 1)}};
}

Template Template::roberta(std::int32_t cls, std::int32_t sep, std::int32_t second_type) {
  return {{special(cls, 0), first(), special(sep, 0)},
          {special(cls, 0), first(), special(sep, 0), special(sep, second_type), second(second_type),
           special(sep, second_type)}};
}

}  // namespace sesame::tokenizers
