#include "models/tokenizers/pipeline.h"

#include <algorithm>

#include "models/tokenizers/byte_level.h"
#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

Token token_of(const Glyphs& glyphs, const Section& section) {
  return {section.token->id, glyphs[section.range.begin].begin, glyphs[section.range.end - 1].end};
}

// Cuts two texts to `budget` tokens in all: the longer one first, then both to equal lengths, of which the text that
// was longer (the second when there was none) has the odd one.
void cut_longest_first(std::vector<Token>& first, std::vector<Token>& second, std::size_t budget) {
  const bool swapped = first.size() > second.size();
  auto& shorter = swapped ? second : first;
  auto& longer = swapped ? first : second;
  const std::size_t half = budget / 2;
  if (shorter.size() > half) {
    shorter.resize(half);
    longer.resize(std::min(longer.size(), budget - half));
  } else {
    longer.resize(budget - shorter.size());
  }
}

// Cuts the texts to `budget` tokens; returns whether anything was lost.
bool cut(std::vector<Token>& first, std::vector<Token>* second, std::size_t budget) {
  const std::size_t total = first.size() + (second != nullptr ? second->size() : 0);
  if (total <= budget) return false;
  if (second == nullptr) {
    first.resize(budget);
  } else {
    cut_longest_first(first, *second, budget);
  }
  return true;
}

void append_text(const std::vector<Token>& tokens, std::int32_t type_id, Encoding& encoding) {
  for (const Token& token : tokens) {
    encoding.ids.push_back(token.id);
    encoding.offsets.push_back({token.begin, token.end});
  }
  encoding.type_ids.resize(encoding.ids.size(), type_id);
}

void append_special(const TemplateItem& item, Encoding& encoding) {
  encoding.ids.insert(encoding.ids.end(), item.ids.begin(), item.ids.end());
  encoding.offsets.resize(encoding.ids.size(), Offset{});
  encoding.type_ids.resize(encoding.ids.size(), item.type_id);
}

void clear(Encoding& encoding) {
  encoding.ids.clear();
  encoding.type_ids.clear();
  encoding.tokens.clear();
  encoding.offsets.clear();
  encoding.truncated = false;
}

// How many characters at the front of a byte-level token stand for white space.
std::uint32_t leading_spaces(std::string_view token) {
  std::uint32_t count = 0;
  for (; token.starts_with(kByteLevelSpace); ++count) token.remove_prefix(kByteLevelSpace.size());
  return count;
}

std::uint32_t trailing_spaces(std::string_view token) {
  std::uint32_t count = 0;
  for (; token.ends_with(kByteLevelSpace); ++count) token.remove_suffix(kByteLevelSpace.size());
  return count;
}

}  // namespace

Pipeline::Pipeline(PipelineParts parts) : parts_(std::move(parts)) { index_added_tokens(); }

void Pipeline::index_added_tokens() {
  Glyphs glyphs, spare;
  for (const AddedToken& token : parts_.added) {
    decode(token.content, glyphs);
    if (token.normalized && parts_.normalizer) parts_.normalizer->normalize(glyphs, spare);
    (token.normalized ? normalized_ : raw_).add(token, glyphs);
    added_.add(token.content, token.id);
    if (token.special) special_.push_back(token.id);
  }
  added_.freeze();
  vocab_size_ = std::max(parts_.vocab->size(), added_.size());
  const SpecialIds& roles = parts_.special;
  for (const auto& id : {roles.pad, roles.mask, roles.cls, roles.sep, roles.unk}) {
    if (id) special_.push_back(static_cast<std::int32_t>(*id));
  }
  std::sort(special_.begin(), special_.end());
}

void Pipeline::encode_into(std::string_view text, const std::string_view* pair, const EncodeOptions& options,
                           Encoding& encoding) const {
  clear(encoding);
  if (pair != nullptr && pair->empty() && parts_.empty_pair_is_none) pair = nullptr;
  std::vector<Token> first, second;
  tokenize(text, first);
  if (pair != nullptr) tokenize(*pair, second);
  const auto& items = pair != nullptr ? parts_.post.pair : parts_.post.single;
  if (options.max_length != 0) {
    const std::size_t special = options.add_special_tokens ? special_count(items) : 0;
    const std::size_t budget = options.max_length > special ? options.max_length - special : 0;
    encoding.truncated = cut(first, pair != nullptr ? &second : nullptr, budget);
  }
  for (const TemplateItem& item : items) {
    if (item.kind == TemplateItem::Kind::kFirst) append_text(first, item.type_id, encoding);
    if (item.kind == TemplateItem::Kind::kSecond) append_text(second, item.type_id, encoding);
    if (item.kind == TemplateItem::Kind::kSpecial && options.add_special_tokens) append_special(item, encoding);
  }
  if (!options.with_tokens) return;
  for (const std::int64_t id : encoding.ids) encoding.tokens.emplace_back(token(id));
}

void Pipeline::tokenize(std::string_view text, std::vector<Token>& tokens) const {
  Words words, spare;
  decode(text, words.glyphs);
  tokens.reserve(words.glyphs.size() / 4 + 8);
  if (raw_.empty()) {
    tokenize_section(words, spare, tokens);
  } else {
    std::vector<Section> sections;
    raw_.split(words.glyphs, sections);
    const Glyphs whole = sections.size() > 1 ? words.glyphs : Glyphs();
    for (const Section& section : sections) {
      if (section.token != nullptr) {
        tokens.push_back(token_of(sections.size() > 1 ? whole : words.glyphs, section));
        continue;
      }
      if (sections.size() > 1)
        words.glyphs.assign(whole.begin() + section.range.begin, whole.begin() + section.range.end);
      tokenize_section(words, spare, tokens);
    }
  }
  if (parts_.trim_offsets) trim(tokens);
}

void Pipeline::tokenize_section(Words& words, Words& spare, std::vector<Token>& tokens) const {
  if (parts_.normalizer) parts_.normalizer->normalize(words.glyphs, spare.glyphs);
  if (normalized_.empty()) {
    tokenize_words(words, spare, tokens);
    return;
  }
  std::vector<Section> sections;
  normalized_.split(words.glyphs, sections);
  const Glyphs whole = words.glyphs;
  for (const Section& section : sections) {
    if (section.token != nullptr) {
      tokens.push_back(token_of(whole, section));
      continue;
    }
    words.glyphs.assign(whole.begin() + section.range.begin, whole.begin() + section.range.end);
    tokenize_words(words, spare, tokens);
  }
}

void Pipeline::tokenize_words(Words& words, Words& spare, std::vector<Token>& tokens) const {
  words.ranges.clear();
  if (words.glyphs.empty()) return;
  words.ranges.push_back({0, static_cast<std::uint32_t>(words.glyphs.size())});
  if (parts_.pre_tokenizer) parts_.pre_tokenizer->split(words, spare);
  parts_.model->tokenize(words, tokens);
}

void Pipeline::trim(std::vector<Token>& tokens) const {
  for (Token& place : tokens) {
    const std::string_view text = token(place.id);
    std::uint32_t leading = leading_spaces(text);
    if (leading > 0 && parts_.prefix_space_added && (&place == tokens.data() || place.begin == 0)) --leading;
    place.begin = std::min(place.begin + leading, place.end);
    place.end = std::max(place.end - std::min(trailing_spaces(text), place.end), place.begin);
  }
}

bool Pipeline::is_special(std::int64_t id) const { return std::binary_search(special_.begin(), special_.end(), id); }

std::string_view Pipeline::token(std::int64_t id) const {
  if (id < 0 || id >= vocab_size_) return {};
  const std::string_view added = added_.token(static_cast<std::int32_t>(id));
  return added.empty() ? parts_.vocab->token(static_cast<std::int32_t>(id)) : added;
}

std::optional<std::int64_t> Pipeline::id(std::string_view token) const {
  std::int32_t found = added_.find(token);
  if (found == Vocab::kNone) found = parts_.vocab->find(token);
  if (found == Vocab::kNone) return std::nullopt;
  return found;
}

}  // namespace sesame::tokenizers

namespace sesame {

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Encoding encoding;
  encode_into(text, nullptr, options, encoding);
  return encoding;
}

Encoding Tokenizer::encode(std::string_view text, std::string_view pair, const EncodeOptions& options) const {
  Encoding encoding;
  encode_into(text, &pair, options, encoding);
  return encoding;
}

}  // namespace sesame
