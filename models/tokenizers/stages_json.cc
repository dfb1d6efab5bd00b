#include "models/tokenizers/stages_json.h"

#include <algorithm>

#include "models/tokenizers/bert_normalizer.h"
#include "models/tokenizers/charsmap.h"
#include "models/tokenizers/unicode.h"
#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

std::vector<Field> list(const Field& field, std::string_view key) {
  const Field array = field.at(key);
  std::vector<Field> items;
  for (std::size_t i = 0; i < array.array().size(); ++i) items.push_back(array.element(i));
  return items;
}

Pattern read_pattern(const Field& field) {
  const Field pattern = field.at("pattern");
  if (const auto expression = pattern.find("Regex")) {
    auto known = Pattern::regex(expression->string());
    if (!known) expression->refuse("one of the regular expressions that are known");
    return *std::move(known);
  }
  const Field text = pattern.at("String");
  if (text.string().empty()) text.refuse("a text to look for");
  return Pattern::literal(code_points(text));
}

SplitBehavior read_behavior(const Field& field, std::string_view fallback) {
  const std::string name = field.string_or("behavior", fallback);
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  field.at("behavior").refuse("Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext");
}

char32_t one_code_point(const Field& field) {
  const std::u32string text = code_points(field);
  if (text.size() != 1) field.refuse("one character");
  return text.front();
}

NormalizerPtr read_bert(const Field& field) {
  BertOptions options;
  options.clean_text = field.boolean_or("clean_text", true);
  options.handle_chinese_chars = field.boolean_or("handle_chinese_chars", true);
  options.lowercase = field.boolean_or("lowercase", true);
  options.strip_accents = field.boolean_or("strip_accents", options.lowercase);
  return std::make_unique<BertNormalizer>(options);
}

NormalizerPtr read_precompiled(const Field& field) {
  const Field encoded = field.at("precompiled_charsmap");
  const auto bytes = decode_base64(encoded.string());
  if (!bytes) encoded.refuse("base64");
  auto map = Charsmap::parse(*bytes);
  if (!map) encoded.refuse("a SentencePiece character map", std::to_string(bytes->size()) + " bytes that are none");
  return std::make_unique<PrecompiledNormalizer>(*std::move(map));
}

NormalizerPtr read_normalizer_sequence(const Field& field) {
  std::vector<NormalizerPtr> stages;
  for (const Field& stage : list(field, "normalizers")) stages.push_back(read_normalizer(stage));
  return std::make_unique<NormalizerSequence>(std::move(stages));
}

PreTokenizerPtr read_pre_tokenizer_sequence(const Field& field) {
  std::vector<PreTokenizerPtr> stages;
  for (const Field& stage : list(field, "pretokenizers")) stages.push_back(read_pre_tokenizer(stage));
  return std::make_unique<PreTokenizerSequence>(std::move(stages));
}

Metaspace::Scheme read_scheme(const Field& field) {
  const auto scheme = field.find("prepend_scheme");
  if (!scheme)
    return field.boolean_or("add_prefix_space", true) ? Metaspace::Scheme::kAlways : Metaspace::Scheme::kNever;
  if (scheme->string() == "always") return Metaspace::Scheme::kAlways;
  if (scheme->string() == "first") return Metaspace::Scheme::kFirst;
  if (scheme->string() == "never") return Metaspace::Scheme::kNever;
  scheme->refuse("always, first or never");
}

PreTokenizerPtr read_digits(const Field& field) {
  const bool individual = field.boolean_or("individual_digits", false);
  return std::make_unique<SplitAt>(is_number, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

// Whitespace keeps what its expression matches: inverted, the rest counts as the matches and is removed.
PreTokenizerPtr whitespace() {
  return std::make_unique<Split>(*Pattern::regex("\\w+|[^\\w\\s]+"), SplitBehavior::kRemoved, true);
}

std::int32_t read_id(const Field& field, std::int64_t last_id) {
  return static_cast<std::int32_t>(field.integer(0, last_id));
}

// ["[SEP]", 102]
std::int32_t read_token_and_id(const Field& field, std::int64_t last_id) {
  if (field.array().size() != 2) field.refuse("a token and its id");
  return read_id(field.element(1), last_id);
}

TemplateItem read_sequence_item(const Field& field) {
  TemplateItem item;
  const std::string name = field.at("id").string();
  if (name != "A" && name != "B") field.at("id").refuse("A or B");
  item.kind = name == "A" ? TemplateItem::Kind::kFirst : TemplateItem::Kind::kSecond;
  item.type_id = static_cast<std::int32_t>(field.integer_or("type_id", 0, 255, 0));
  return item;
}

TemplateItem read_special_item(const Field& field, const Field& tokens, std::int64_t last_id) {
  TemplateItem item;
  item.type_id = static_cast<std::int32_t>(field.integer_or("type_id", 0, 255, 0));
  const Field token = tokens.at(field.at("id").string());
  for (const Field& id : list(token, "ids")) item.ids.push_back(read_id(id, last_id));
  return item;
}

std::vector<TemplateItem> read_items(const Field& processor, std::string_view key, std::int64_t last_id) {
  std::vector<TemplateItem> items;
  for (const Field& entry : list(processor, key)) {
    if (const auto sequence = entry.find("Sequence")) {
      items.push_back(read_sequence_item(*sequence));
    } else {
      items.push_back(read_special_item(entry.at("SpecialToken"), processor.at("special_tokens"), last_id));
    }
  }
  const auto count = [&](TemplateItem::Kind kind) {
    return std::count_if(items.begin(), items.end(), [&](const TemplateItem& item) { return item.kind == kind; });
  };
  const bool pair = key == "pair";
  if (count(TemplateItem::Kind::kFirst) != 1 || count(TemplateItem::Kind::kSecond) != (pair ? 1 : 0)) {
    processor.at(key).refuse(pair ? "the sequences A and B, each once" : "the sequence A once");
  }
  return items;
}

void read_into(const Field& field, std::int64_t last_id, PostProcessing& result) {
  const std::string type = field.at("type").string();
  if (type == "TemplateProcessing") {
    result.post = {read_items(field, "single", last_id), read_items(field, "pair", last_id)};
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const std::int32_t cls = read_token_and_id(field.at("cls"), last_id);
    const std::int32_t sep = read_token_and_id(field.at("sep"), last_id);
    result.post = type == "BertProcessing" ? Template::bert(cls, sep) : Template::roberta(cls, sep, 1);
  } else if (type == "Sequence") {
    for (const Field& stage : list(field, "processors")) read_into(stage, last_id, result);
  } else if (type != "ByteLevel") {
    field.at("type").refuse("TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or Sequence");
  }
  if (type == "ByteLevel" || type == "RobertaProcessing") {
    result.trim_offsets = field.boolean_or("trim_offsets", true);
    result.prefix_space_added = field.boolean_or("add_prefix_space", true);
  }
}

}  // namespace

std::u32string code_points(const Field& field) {
  const std::string& text = field.string();
  std::u32string codes;
  for (std::size_t at = 0; at < text.size();) codes.push_back(decode_one(text, at));
  return codes;
}

NormalizerPtr read_normalizer(const Field& field) {
  const std::string type = field.at("type").string();
  if (type == "BertNormalizer") return read_bert(field);
  if (type == "Sequence") return read_normalizer_sequence(field);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "NFC") return std::make_unique<UnicodeForm>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<UnicodeForm>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<UnicodeForm>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<UnicodeForm>(NormalForm::kNfkd);
  if (type == "Precompiled") return read_precompiled(field);
  if (type == "Prepend") return std::make_unique<Prepend>(code_points(field.at("prepend")));
  if (type == "Replace") return std::make_unique<Replace>(read_pattern(field), code_points(field.at("content")));
  if (type == "Strip") {
    return std::make_unique<Strip>(field.boolean_or("strip_left", true), field.boolean_or("strip_right", true));
  }
  field.at("type").refuse(
      "BertNormalizer, Sequence, Lowercase, StripAccents, NFC, NFD, NFKC, NFKD, Precompiled, Prepend, Replace or "
      "Strip");
}

PreTokenizerPtr read_pre_tokenizer(const Field& field) {
  const std::string type = field.at("type").string();
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "Sequence") return read_pre_tokenizer_sequence(field);
  if (type == "Whitespace") return whitespace();
  if (type == "WhitespaceSplit") return std::make_unique<SplitAt>(is_whitespace, SplitBehavior::kRemoved);
  if (type == "Punctuation") return std::make_unique<SplitAt>(is_punctuation, read_behavior(field, "Isolated"));
  if (type == "Digits") return read_digits(field);
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevel>(field.boolean_or("add_prefix_space", true), field.boolean_or("use_regex", true));
  }
  if (type == "Metaspace") {
    return std::make_unique<Metaspace>(one_code_point(field.at("replacement")), read_scheme(field),
                                       field.boolean_or("split", true));
  }
  if (type == "Split") {
    field.at("behavior");
    return std::make_unique<Split>(read_pattern(field), read_behavior(field, ""), field.boolean_or("invert", false));
  }
  field.at("type").refuse(
      "BertPreTokenizer, Sequence, Whitespace, WhitespaceSplit, Punctuation, Digits, ByteLevel, Metaspace or Split");
}

PostProcessing read_post_processor(const Field& field, std::int64_t last_id) {
  PostProcessing result;
  read_into(field, last_id, result);
  return result;
}

}  // namespace sesame::tokenizers
