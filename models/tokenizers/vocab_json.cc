#include "models/tokenizers/vocab_json.h"

namespace sesame::tokenizers {

std::unique_ptr<Vocab> read_id_map(const Field& field, std::int64_t last_id) {
  auto vocab = std::make_unique<Vocab>();
  for (const auto& [token, value] : field.object().items()) {
    // Making a Field for each of 100,000 tokens costs more than all else: one is made for what looks wrong.
    const bool plain = value.is_number_unsigned() && value.get<std::uint64_t>() <= static_cast<std::uint64_t>(last_id);
    const std::int64_t id = plain ? value.get<std::int64_t>() : field.at(token).integer(0, last_id);
    if (vocab->has(static_cast<std::int32_t>(id))) field.at(token).refuse("an id that no other token has");
    vocab->add(token, static_cast<std::int32_t>(id));
  }
  if (vocab->size() == 0) field.refuse("a vocabulary", "an empty one");
  vocab->freeze();
  return vocab;
}

bool MergeBuilder::add(std::string_view left, std::string_view right) {
  std::string_view rest = right;
  if (rest.starts_with(prefix_)) rest.remove_prefix(prefix_.size());
  joined_.assign(left).append(rest);
  const std::int32_t left_id = vocab_.find(left);
  const std::int32_t right_id = vocab_.find(right);
  const std::int32_t result = vocab_.find(joined_);
  if (left_id == Vocab::kNone || right_id == Vocab::kNone || result == Vocab::kNone) return false;
  table_.add(left_id, right_id, result);
  return true;
}

bool MergeBuilder::add(std::string_view both) {
  const std::size_t space = both.find(' ');
  return space != std::string_view::npos && add(both.substr(0, space), both.substr(space + 1));
}

MergeTable MergeBuilder::table() && {
  table_.freeze();
  return std::move(table_);
}

}  // namespace sesame::tokenizers
