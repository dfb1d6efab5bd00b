// tokenizer.json.
#include <algorithm>
#include <cstdio>

#include "models/json.h"
#include "models/tokenizers/bpe.h"
#include "models/tokenizers/load.h"
#include "models/tokenizers/stages_json.h"
#include "models/tokenizers/unigram.h"
#include "models/tokenizers/vocab_json.h"
#include "models/tokenizers/wordpiece.h"

namespace sesame::tokenizers {
namespace {

struct LoadedModel {
  std::unique_ptr<Vocab> vocab;
  ModelPtr model;
  std::optional<std::int32_t> unk;
};

// The id of the token that the field `key` names.
std::int32_t named_token(const Field& model, std::string_view key, const Vocab& vocab) {
  const Field name = model.at(key);
  const std::int32_t id = vocab.find(name.string());
  if (id == Vocab::kNone) name.refuse("a token of the vocabulary");
  return id;
}

LoadedModel read_wordpiece(const Field& field, std::int64_t last_id) {
  LoadedModel loaded;
  loaded.vocab = read_id_map(field.at("vocab"), last_id);
  WordPieceOptions options;
  options.unk_id = named_token(field, "unk_token", *loaded.vocab);
  options.continuing_prefix = field.string_or("continuing_subword_prefix", "##");
  options.max_chars_per_word =
      static_cast<std::uint32_t>(field.integer_or("max_input_chars_per_word", 0, 1 << 16, 100));
  loaded.unk = options.unk_id;
  loaded.model = std::make_unique<WordPiece>(*loaded.vocab, std::move(options));
  return loaded;
}

// A merge is "left right" or ["left", "right"].
bool add_merge(const nlohmann::json& merge, MergeBuilder& merges) {
  if (merge.is_string()) return merges.add(merge.get_ref<const std::string&>());
  const bool two = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
  return two && merges.add(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>());
}

LoadedModel read_bpe(const Field& field, std::int64_t last_id) {
  if (const auto dropout = field.find("dropout"); dropout && dropout->number() != 0) dropout->refuse("none");
  if (field.boolean_or("byte_fallback", false)) field.at("byte_fallback").refuse("false");
  LoadedModel loaded;
  loaded.vocab = read_id_map(field.at("vocab"), last_id);
  BpeOptions options;
  if (field.find("unk_token")) loaded.unk = options.unk_id = named_token(field, "unk_token", *loaded.vocab);
  options.fuse_unk = field.boolean_or("fuse_unk", false);
  options.continuing_prefix = field.string_or("continuing_subword_prefix", "");
  options.word_suffix = field.string_or("end_of_word_suffix", "");
  options.ignore_merges = field.boolean_or("ignore_merges", false);
  MergeBuilder merges(*loaded.vocab, options.continuing_prefix);
  const Field list = field.at("merges");
  for (std::size_t i = 0; i < list.array().size(); ++i) {
    if (add_merge(list.array()[i], merges)) continue;
    list.element(i).refuse("two tokens whose join is one, all of the vocabulary");
  }
  loaded.model = std::make_unique<Bpe>(*loaded.vocab, std::move(merges).table(), std::move(options));
  return loaded;
}

// [["piece", score], ...]; a piece's id is its place.
void read_pieces(const Field& list, Vocab& vocab, std::vector<double>& scores) {
  for (std::size_t i = 0; i < list.array().size(); ++i) {
    const nlohmann::json& entry = list.array()[i];
    const bool good = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!good) list.element(i).refuse("a piece and its score");
    vocab.add(entry[0].get_ref<const std::string&>(), static_cast<std::int32_t>(i));
    scores.push_back(entry[1].get<double>());
  }
  if (scores.empty()) list.refuse("a vocabulary", "an empty one");
  vocab.freeze(true);
}

std::array<std::int32_t, 256> read_byte_ids(const Field& model, const Vocab& vocab) {
  std::array<std::int32_t, 256> ids;
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    ids[byte] = vocab.find(name);
    if (ids[byte] == Vocab::kNone) model.at("byte_fallback").refuse("false without a token " + in_quotes(name));
  }
  return ids;
}

LoadedModel read_unigram(const Field& field) {
  constexpr double kUnkPenalty = 10;
  LoadedModel loaded;
  loaded.vocab = std::make_unique<Vocab>();
  std::vector<double> scores;
  read_pieces(field.at("vocab"), *loaded.vocab, scores);
  UnigramOptions options;
  options.unk_id = static_cast<std::int32_t>(field.at("unk_id").integer(0, loaded.vocab->size() - 1));
  options.unk_score = *std::min_element(scores.begin(), scores.end()) - kUnkPenalty;
  if (field.boolean_or("byte_fallback", false)) options.byte_ids = read_byte_ids(field, *loaded.vocab);
  loaded.unk = options.unk_id;
  loaded.model = std::make_unique<Unigram>(*loaded.vocab, std::move(scores), options);
  return loaded;
}

LoadedModel read_model(const Field& field, std::int64_t last_id) {
  // Old files leave the type out.
  const std::string type = field.string_or("type", field.find("merges") ? "BPE" : "WordPiece");
  if (type == "WordPiece") return read_wordpiece(field, last_id);
  if (type == "BPE") return read_bpe(field, last_id);
  if (type == "Unigram") return read_unigram(field);
  field.at("type").refuse("WordPiece, BPE or Unigram");
}

std::deque<AddedToken> read_added(const Field& root, const Vocab& vocab, std::int64_t last_id) {
  std::deque<AddedToken> added;
  const auto list = root.find("added_tokens");
  if (!list) return added;
  for (std::size_t i = 0; i < list->array().size(); ++i) {
    const Field entry = list->element(i);
    AddedToken token = read_added_token(entry);
    token.id = static_cast<std::int32_t>(entry.at("id").integer(0, last_id));
    // What the vocabulary has goes by the vocabulary's id.
    if (const std::int32_t known = vocab.find(token.content); known != Vocab::kNone) token.id = known;
    added.push_back(std::move(token));
  }
  // Special tokens are looked for first, so of two that are written alike they count.
  std::stable_partition(added.begin(), added.end(), [](const AddedToken& token) { return token.special; });
  return added;
}

// The role's token: what the settings say if there is one, else the first usual spelling that exists.
std::string pick(const std::string& given, std::initializer_list<const char*> usual, const PipelineParts& parts) {
  const auto exists = [&](std::string_view name) {
    const auto same = [&](const AddedToken& token) { return token.content == name; };
    return parts.vocab->find(name) != Vocab::kNone || std::any_of(parts.added.begin(), parts.added.end(), same);
  };
  if (exists(given)) return given;
  for (const char* name : usual) {
    if (exists(name)) return name;
  }
  return {};
}

SpecialNames pick_names(const SpecialNames& given, const PipelineParts& parts) {
  return {pick(given.pad, {"[PAD]", "<pad>"}, parts), pick(given.mask, {"[MASK]", "<mask>"}, parts),
          pick(given.cls, {"[CLS]", "<s>"}, parts), pick(given.sep, {"[SEP]", "</s>"}, parts),
          pick(given.unk, {"[UNK]", "<unk>"}, parts)};
}

}  // namespace

PipelineParts load_tokenizer_json(const FileSet& files, const Settings& settings, std::string_view bytes) {
  const std::string label = files.label("tokenizer.json");
  const nlohmann::json json = parse_json(bytes, label);
  const Field root(json, label);
  const std::int64_t last_id = largest_id(bytes.size());
  PipelineParts parts;
  LoadedModel loaded = read_model(root.at("model"), last_id);
  parts.added = read_added(root, *loaded.vocab, last_id);
  if (const auto field = root.find("normalizer")) parts.normalizer = read_normalizer(*field);
  if (const auto field = root.find("pre_tokenizer")) parts.pre_tokenizer = read_pre_tokenizer(*field);
  if (const auto field = root.find("post_processor")) {
    PostProcessing processing = read_post_processor(*field, last_id);
    parts.post = std::move(processing.post);
    parts.trim_offsets = processing.trim_offsets;
    parts.prefix_space_added = processing.prefix_space_added;
  }
  parts.vocab = std::move(loaded.vocab);
  parts.model = std::move(loaded.model);
  parts.special = find_special(pick_names(settings.names, parts), parts.added, *parts.vocab);
  if (!parts.special.unk) parts.special.unk = loaded.unk;
  parts.empty_pair_is_none = true;
  return parts;
}

}  // namespace sesame::tokenizers
