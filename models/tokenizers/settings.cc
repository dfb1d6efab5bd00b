#include "models/tokenizers/settings.h"

#include <algorithm>
#include <charconv>

#include "models/json.h"
#include "sesame/error.h"

namespace sesame::tokenizers {
namespace {

constexpr std::int64_t kLargestAddedId = 1 << 22;  // of files too small to bound it by their size

std::optional<bool> optional_boolean(const Field& config, std::string_view key) {
  const auto field = config.find(key);
  return field ? std::optional(field->boolean()) : std::nullopt;
}

// A special token is written as a string or as an added token's object.
void read_name(const Field& config, std::string_view key, std::string& name) {
  const auto field = config.find(key);
  if (!field || !name.empty()) return;
  name = field->is_object() ? field->at("content").string() : field->string();
}

void read_names(const Field& config, SpecialNames& names) {
  read_name(config, "pad_token", names.pad);
  read_name(config, "mask_token", names.mask);
  read_name(config, "cls_token", names.cls);
  read_name(config, "sep_token", names.sep);
  read_name(config, "unk_token", names.unk);
}

void read_added_decoder(const Field& config, std::vector<AddedToken>& added) {
  const auto decoder = config.find("added_tokens_decoder");
  if (!decoder) return;
  for (const auto& [key, value] : decoder->object().items()) {
    const Field field = decoder->at(key);
    AddedToken token = read_added_token(field);
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size() || token.id < 0 || token.id > kLargestAddedId) {
      field.refuse("an id from 0 to " + std::to_string(kLargestAddedId) + " as its key", in_quotes(key));
    }
    added.push_back(std::move(token));
  }
}

void read_added_map(const FileSet& files, std::vector<AddedToken>& added) {
  const auto json = read_json(files, "added_tokens.json");
  if (!json) return;
  const Field map(*json, files.label("added_tokens.json"));
  for (const auto& [content, value] : json->items()) {
    AddedToken token;
    token.content = content;
    token.id = static_cast<std::int32_t>(map.at(content).integer(0, kLargestAddedId));
    const auto known = [&](const AddedToken& other) { return other.content == content; };
    if (!content.empty() && std::none_of(added.begin(), added.end(), known)) added.push_back(std::move(token));
  }
}

void read_tokenizer_config(const Field& config, Settings& settings) {
  settings.tokenizer_class = config.string_or("tokenizer_class", "");
  if (settings.tokenizer_class.ends_with("Fast")) settings.tokenizer_class.resize(settings.tokenizer_class.size() - 4);
  settings.do_lower_case = optional_boolean(config, "do_lower_case");
  settings.strip_accents = optional_boolean(config, "strip_accents");
  settings.keep_accents = optional_boolean(config, "keep_accents");
  settings.add_prefix_space = optional_boolean(config, "add_prefix_space");
  settings.remove_space = optional_boolean(config, "remove_space");
  settings.tokenize_chinese_chars = config.boolean_or("tokenize_chinese_chars", true);
  if (const auto basic = config.find("do_basic_tokenize"); basic && !basic->boolean()) basic->refuse("true");
  read_names(config, settings.names);
  read_added_decoder(config, settings.added);
}

std::optional<std::int64_t> id_of(const std::string& name, const std::deque<AddedToken>& added, const Vocab& vocab) {
  const auto match = std::find_if(added.begin(), added.end(), [&](const AddedToken& t) { return t.content == name; });
  if (match != added.end()) return match->id;
  const std::int32_t id = vocab.find(name);
  return id == Vocab::kNone ? std::nullopt : std::optional<std::int64_t>(id);
}

}  // namespace

Settings read_settings(const FileSet& files) {
  Settings settings;
  if (const auto json = read_json(files, "tokenizer_config.json")) {
    read_tokenizer_config(Field(*json, files.label("tokenizer_config.json")), settings);
  }
  if (const auto json = read_json(files, "special_tokens_map.json")) {
    read_names(Field(*json, files.label("special_tokens_map.json")), settings.names);
  }
  if (const auto json = read_json(files, "config.json")) {
    settings.model_type = Field(*json, files.label("config.json")).string_or("model_type", "");
  }
  read_added_map(files, settings.added);
  std::stable_sort(settings.added.begin(), settings.added.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return settings;
}

SpecialNames with_defaults(SpecialNames names, const SpecialNames& defaults) {
  for (const auto role :
       {&SpecialNames::pad, &SpecialNames::mask, &SpecialNames::cls, &SpecialNames::sep, &SpecialNames::unk}) {
    if ((names.*role).empty()) names.*role = defaults.*role;
  }
  return names;
}

SpecialIds find_special(const SpecialNames& names, const std::deque<AddedToken>& added, const Vocab& vocab) {
  SpecialIds ids;
  ids.pad = id_of(names.pad, added, vocab);
  ids.mask = id_of(names.mask, added, vocab);
  ids.cls = id_of(names.cls, added, vocab);
  ids.sep = id_of(names.sep, added, vocab);
  ids.unk = id_of(names.unk, added, vocab);
  return ids;
}

std::int32_t require_token(const std::string& name, const std::optional<std::int64_t>& id, const std::string& label) {
  if (!id) throw Error(label + ": expected a token " + in_quotes(name) + ", found none");
  return static_cast<std::int32_t>(*id);
}

void add_special(const std::string& name, bool lstrip, const Vocab& vocab, std::deque<AddedToken>& added) {
  const auto match = std::find_if(added.begin(), added.end(), [&](const AddedToken& t) { return t.content == name; });
  if (match != added.end()) {
    match->special = true;
    return;
  }
  const std::int32_t id = vocab.find(name);
  if (id == Vocab::kNone) return;
  AddedToken token;
  token.content = name;
  token.id = id;
  token.special = true;
  token.lstrip = lstrip;
  added.push_back(std::move(token));
}

AddedToken read_added_token(const Field& field) {
  AddedToken token;
  token.content = field.at("content").string();
  if (token.content.empty()) field.at("content").refuse("a token");
  token.special = field.boolean_or("special", false);
  token.single_word = field.boolean_or("single_word", false);
  token.lstrip = field.boolean_or("lstrip", false);
  token.rstrip = field.boolean_or("rstrip", false);
  token.normalized = field.boolean_or("normalized", !token.special);
  return token;
}

std::int64_t largest_id(std::size_t bytes) { return static_cast<std::int64_t>(std::max<std::size_t>(bytes, 1 << 16)); }

}  // namespace sesame::tokenizers
