// A Unigram tokenizer as ALBERT and DeBERTa have it, made up.
#include <unordered_set>
#include <vector>

#include "models/synthesis/tokenizer_files.h"
#include "models/synthesis/vocabulary.h"

namespace sesame::models::synthesis {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMark = "\xE2\x96\x81";  // U+2581, where a word begins

struct Convention {
  SpecialTokens tokens;
  bool lower_case;
};
constexpr Convention kAlbert = {{"<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"}, true};
constexpr Convention kDeberta = {kBertTokens, false};

// Special tokens, characters, then syllables that begin a word or don't, with falling scores.
Json make_vocabulary(const Convention& convention, const ModelSpec& spec) {
  Json vocabulary = Json::array();
  std::unordered_set<std::string> known;
  const auto add = [&](const std::string& piece, double score) {
    if (known.insert(piece).second) vocabulary.push_back({piece, score});
  };
  const SpecialTokens& t = convention.tokens;
  for (const char* token : {t.pad, t.unk, t.cls, t.sep, t.mask}) add(token, 0.0);
  add(kMark, -3.0);
  for (char c = '!'; c <= '~'; ++c) {
    if (!convention.lower_case || c < 'A' || c > 'Z') add(std::string(1, c), -12.0);
  }
  SplitMix64 random = stream(spec.seed, "vocabulary");
  const auto size = static_cast<std::size_t>(spec.vocab);
  while (vocabulary.size() < size) {
    std::string piece = vocabulary.size() % 2 == 0 ? kMark : "";
    do {
      piece += syllable(random);
    } while (known.count(piece) != 0);
    add(piece, -4.0 - 6.0 * static_cast<double>(vocabulary.size()) / static_cast<double>(size));
  }
  return vocabulary;
}

Json added_tokens(const SpecialTokens& t) {
  Json added = Json::array();
  for (const char* token : {t.pad, t.unk, t.cls, t.sep, t.mask}) {
    added.push_back({{"id", added.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", token == t.mask},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  return added;
}

Json normalizer(bool lower_case) {
  Json stages = Json::array();
  stages.push_back({{"type", "NFKC"}});
  if (lower_case) {
    for (const char* type : {"NFKD", "StripAccents", "Lowercase"}) stages.push_back({{"type", type}});
  }
  stages.push_back({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
  return {{"type", "Sequence"}, {"normalizers", stages}};
}

Json post_processor(const SpecialTokens& t) {
  const auto special = [](const char* token, int type) {
    return Json{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const Json single = {special(t.cls, 0), sequence("A", 0), special(t.sep, 0)};
  const Json pair = {special(t.cls, 0), sequence("A", 0), special(t.sep, 0), sequence("B", 1), special(t.sep, 1)};
  Json tokens = Json::object();
  tokens[t.cls] = {{"id", t.cls}, {"ids", {2}}, {"tokens", {t.cls}}};
  tokens[t.sep] = {{"id", t.sep}, {"ids", {3}}, {"tokens", {t.sep}}};
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

}  // namespace

void write_unigram(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder) {
  const Convention& convention = tokenizer_class == "AlbertTokenizer" ? kAlbert : kDeberta;
  const Json metaspace = {{"type", "Metaspace"}, {"replacement", kMark}, {"add_prefix_space", true}};
  const Json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens(convention.tokens)},
      {"normalizer", normalizer(convention.lower_case)},
      {"pre_tokenizer", metaspace},
      {"post_processor", post_processor(convention.tokens)},
      {"decoder", metaspace},
      {"model", {{"type", "Unigram"}, {"unk_id", 1}, {"vocab", make_vocabulary(convention, spec)}}},
  };
  write_text(tokenizer.dump() + "\n", folder / "tokenizer.json");
  write_settings({{"do_lower_case", convention.lower_case}}, special_tokens(convention.tokens), spec, tokenizer_class,
                 folder);
}

}  // namespace sesame::models::synthesis
