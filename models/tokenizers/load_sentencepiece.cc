// A SentencePiece model file: ALBERT, XLM-RoBERTa, CamemBERT, DeBERTa-v2.
#include <algorithm>
#include <cfloat>

#include "models/json.h"
#include "models/tokenizers/load.h"
#include "models/tokenizers/sentencepiece_file.h"
#include "models/tokenizers/sentencepiece_normalizer.h"
#include "models/tokenizers/unigram.h"
#include "models/tokenizers/utf8.h"
#include "sesame/error.h"

namespace sesame::tokenizers {
namespace {

using Type = SentencePieceFile::Type;

// How a family numbers the pieces of its model.
struct Convention {
  std::string_view tokenizer_class, model_type;
  std::vector<std::string> reserved;  // tokens from id 0 on, in the place of the model's own
  std::int32_t shift;                 // of the model's other pieces
  std::int32_t first;                 // the first of the model's pieces that keeps a token
  SpecialNames names;
  bool bert_template;
};

const Convention kAlbert = {
    "AlbertTokenizer", "albert", {}, 0, 0, {"<pad>", "[MASK]", "[CLS]", "[SEP]", "<unk>"}, true};
const Convention kDeberta = {
    "DebertaV2Tokenizer", "deberta-v2", {}, 0, 0, {"[PAD]", "[MASK]", "[CLS]", "[SEP]", "[UNK]"}, true};
const Convention kXlmRoberta = {"XLMRobertaTokenizer",
                                "xlm-roberta",
                                {"<s>", "<pad>", "</s>", "<unk>"},
                                1,
                                3,
                                {"<pad>", "<mask>", "<s>", "</s>", "<unk>"},
                                false};
const Convention kCamembert = {"CamembertTokenizer",
                               "camembert",
                               {"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"},
                               4,
                               1,
                               {"<pad>", "<mask>", "<s>", "</s>", "<unk>"},
                               false};
const Convention* const kConventions[] = {&kAlbert, &kDeberta, &kXlmRoberta, &kCamembert};

bool has_piece(const SentencePieceFile& file, std::string_view text) {
  return std::any_of(file.pieces.begin(), file.pieces.end(), [&](const auto& piece) { return piece.text == text; });
}

// By the class, else the model's type, else what the vocabulary has.
const Convention& choose(const FileSet& files, const Settings& settings, std::string_view name,
                         const SentencePieceFile& file) {
  for (const Convention* convention : kConventions) {
    if (settings.tokenizer_class == convention->tokenizer_class) return *convention;
  }
  if (!settings.tokenizer_class.empty() && settings.tokenizer_class != "PreTrainedTokenizer") {
    throw Error(files.label("tokenizer_config.json") + ": tokenizer_class: expected AlbertTokenizer, " +
                "DebertaV2Tokenizer, XLMRobertaTokenizer or CamembertTokenizer for " + std::string(name) + ", found " +
                in_quotes(settings.tokenizer_class));
  }
  for (const Convention* convention : kConventions) {
    if (settings.model_type == convention->model_type) return *convention;
  }
  if (has_piece(file, "[PAD]")) return kDeberta;
  if (has_piece(file, "[CLS]")) return kAlbert;
  if (name == "sentencepiece.bpe.model") return kXlmRoberta;
  throw Error(files.label(name) + ": expected ALBERT's or DeBERTa-v2's special tokens, found none");
}

void check(const SentencePieceFile& file, const std::string& label) {
  if (file.pieces.empty()) throw Error(label + ": expected a SentencePiece model, found no pieces");
  if (file.model_type != SentencePieceFile::kUnigram) {
    throw Error(label + ": expected a unigram model, found type " + std::to_string(file.model_type));
  }
  if (file.space_as_suffix || !file.escape_spaces) {
    throw Error(label + ": expected spaces as marks that begin words, found another setting");
  }
  const auto is_unknown = [](const auto& piece) { return piece.type == Type::kUnknown; };
  if (std::count_if(file.pieces.begin(), file.pieces.end(), is_unknown) != 1) {
    throw Error(label + ": expected one piece for the unknown, found none or several");
  }
}

// Ids as the family has them: of the model's piece, or its unknown token's.
std::int32_t id_of_piece(const Convention& convention, std::size_t index) {
  return static_cast<std::int32_t>(index) + convention.shift;
}

std::unique_ptr<Vocab> read_vocab(const SentencePieceFile& file, const Convention& convention) {
  auto vocab = std::make_unique<Vocab>();
  std::int32_t id = 0;
  for (const std::string& token : convention.reserved) vocab->add(token, id++);
  for (std::size_t i = convention.first; i < file.pieces.size(); ++i) {
    vocab->add(file.pieces[i].text, id_of_piece(convention, i));
  }
  // The mask comes last where the model has none.
  const bool has_mask = has_piece(file, convention.names.mask);
  if (!has_mask) vocab->add(convention.names.mask, id_of_piece(convention, file.pieces.size()));
  vocab->freeze();
  return vocab;
}

std::array<std::int32_t, 256> read_byte_ids(const SentencePieceFile& file, const Convention& convention,
                                            const std::string& label) {
  std::array<std::int32_t, 256> ids;
  std::size_t count = 0;
  for (std::size_t i = 0; i < file.pieces.size(); ++i) {
    if (file.pieces[i].type == Type::kByte && count < 256) ids[count++] = id_of_piece(convention, i);
  }
  if (count != 256) throw Error(label + ": expected 256 pieces for bytes, found " + std::to_string(count));
  return ids;
}

std::unique_ptr<Unigram> read_model(const SentencePieceFile& file, const Convention& convention, std::int32_t unk_id,
                                    const std::string& label) {
  constexpr float kUnkPenalty = 10;
  float least = FLT_MAX;
  float most = FLT_MIN;
  for (const auto& piece : file.pieces) {
    if (piece.type == Type::kNormal) least = std::min(least, piece.score);
    if (piece.type == Type::kNormal) most = std::max(most, piece.score);
  }
  Vocab pieces;
  std::vector<double> scores(file.pieces.size() + convention.shift);
  for (std::size_t i = 0; i < file.pieces.size(); ++i) {
    const auto& piece = file.pieces[i];
    if (piece.type != Type::kNormal && piece.type != Type::kUserDefined) continue;
    const std::int32_t id = id_of_piece(convention, i);
    pieces.add(piece.text, id);
    // What users define wins against every cut of it.
    const bool user = piece.type == Type::kUserDefined;
    scores[id] = user ? static_cast<float>(piece.text.size()) * most - 0.1 : piece.score;
  }
  pieces.freeze(true);
  UnigramOptions options;
  options.unk_id = unk_id;
  options.unk_score = least - kUnkPenalty;
  options.single_precision = true;
  if (file.byte_fallback) options.byte_ids = read_byte_ids(file, convention, label);
  return std::make_unique<Unigram>(std::move(pieces), std::move(scores), options);
}

NormalizerPtr read_normalizer(const SentencePieceFile& file, const std::string& label) {
  auto map = Charsmap::parse(file.charsmap);
  if (!map) throw Error(label + ": expected a character map, found " + std::to_string(file.charsmap.size()) + " bytes");
  Vocab user_defined;
  for (std::size_t i = 0; i < file.pieces.size(); ++i) {
    if (file.pieces[i].type == Type::kUserDefined) user_defined.add(file.pieces[i].text, static_cast<std::int32_t>(i));
  }
  user_defined.freeze();
  return std::make_unique<SentencePieceNormalizer>(
      *std::move(map), std::move(user_defined), SentencePieceOptions{file.add_dummy_prefix, file.remove_extra_spaces});
}

NormalizerPtr albert_normalizer(const Settings& settings, NormalizerPtr sentencepiece) {
  std::vector<NormalizerPtr> stages;
  stages.push_back(std::make_unique<AlbertCleaner>(settings.remove_space.value_or(true)));
  if (!settings.keep_accents.value_or(false)) {
    stages.push_back(std::make_unique<UnicodeForm>(NormalForm::kNfkd));
    stages.push_back(std::make_unique<StripCombining>());
  }
  if (settings.do_lower_case.value_or(true)) stages.push_back(std::make_unique<Lowercase>());
  stages.push_back(std::move(sentencepiece));
  return std::make_unique<NormalizerSequence>(std::move(stages));
}

NormalizerPtr lowered(NormalizerPtr sentencepiece) {
  std::vector<NormalizerPtr> stages;
  stages.push_back(std::make_unique<Lowercase>());
  stages.push_back(std::move(sentencepiece));
  return std::make_unique<NormalizerSequence>(std::move(stages));
}

// Removes the mark that the normalizer put before the tokens of the middle of a word.
void drop_mark(const Vocab& vocab, std::int32_t unk_id, std::vector<Unigram::Part>& parts) {
  std::string text(vocab.token(parts.front().id));
  std::string mark;
  append_utf8(kSpaceMark, mark);
  if (parts.front().id == unk_id || !text.starts_with(mark)) return;
  if (text == mark) {
    parts.erase(parts.begin());
    return;
  }
  const std::int32_t id = vocab.find(std::string_view(text).substr(mark.size()));
  parts.front() = {id == Vocab::kNone ? unk_id : id, parts.front().length - 1};
}

// ALBERT cuts a piece that ends in a digit and a comma once more: what stands before the comma on its own, then the
// comma. So 9,9 is "9" "," "9" whatever the pieces are.
Unigram::Expansions comma_rule(const Vocab& vocab, const Normalizer& normalizer, const Unigram& model,
                               std::int32_t unk_id) {
  Unigram::Expansions expansions;
  const std::int32_t comma = vocab.find(",");
  Glyphs piece, spare;
  std::vector<Token> tokens;
  for (std::int32_t id = 0; id < vocab.size(); ++id) {
    if (!vocab.token(id).ends_with(',')) continue;
    decode(vocab.token(id), piece);
    if (piece.size() < 2 || !is_decimal_digit(piece[piece.size() - 2].code)) continue;
    const bool marked = piece.front().code == kSpaceMark;
    piece.pop_back();
    std::erase_if(piece, [](const Glyph& glyph) { return glyph.code == kSpaceMark; });
    Words words{std::move(piece), {}};
    normalizer.normalize(words.glyphs, spare);
    words.ranges.push_back({0, static_cast<std::uint32_t>(words.glyphs.size())});
    for (std::uint32_t i = 0; i < words.glyphs.size(); ++i) words.glyphs[i].begin = i, words.glyphs[i].end = i + 1;
    tokens.clear();
    model.tokenize(words, tokens);
    std::vector<Unigram::Part> parts;
    for (const Token& token : tokens) parts.push_back({token.id, token.end - token.begin});
    if (!marked && !parts.empty()) drop_mark(vocab, unk_id, parts);
    parts.push_back({comma == Vocab::kNone ? unk_id : comma, 1});
    expansions[id] = std::move(parts);
    piece = std::move(words.glyphs);
  }
  return expansions;
}

bool any_name(const SpecialNames& names) {
  return !(names.pad.empty() && names.mask.empty() && names.cls.empty() && names.sep.empty() && names.unk.empty());
}

void add_all_special(const SpecialNames& names, const Vocab& vocab, std::deque<AddedToken>& added) {
  for (const std::string& name : {names.cls, names.pad, names.sep, names.unk}) add_special(name, false, vocab, added);
  add_special(names.mask, true, vocab, added);
}

}  // namespace

PipelineParts load_sentencepiece(const FileSet& files, const Settings& settings, std::string_view name,
                                 std::string_view bytes) {
  const std::string label = files.label(name);
  const SentencePieceFile file = parse_sentencepiece(bytes, label);
  check(file, label);
  const Convention& convention = choose(files, settings, name, file);
  PipelineParts parts;
  auto vocab = read_vocab(file, convention);
  const SpecialNames names = with_defaults(settings.names, convention.names);
  parts.added.assign(settings.added.begin(), settings.added.end());
  // ALBERT's special tokens are found in text where a file beside the model names them.
  const bool albert = &convention == &kAlbert;
  if (!albert || any_name(settings.names)) add_all_special(names, *vocab, parts.added);
  parts.special = find_special(names, parts.added, *vocab);
  const std::int32_t cls = require_token(names.cls, parts.special.cls, label);
  const std::int32_t sep = require_token(names.sep, parts.special.sep, label);
  const std::int32_t unk = require_token(names.unk, parts.special.unk, label);
  auto model = read_model(file, convention, unk, label);
  auto normalizer = read_normalizer(file, label);
  if (albert) {
    model->set_expansions(comma_rule(*vocab, *normalizer, *model, unk));
    normalizer = albert_normalizer(settings, std::move(normalizer));
  } else if (settings.do_lower_case.value_or(false)) {
    normalizer = lowered(std::move(normalizer));
  }
  parts.normalizer = std::move(normalizer);
  parts.model = std::move(model);
  parts.post = convention.bert_template ? Template::bert(cls, sep) : Template::roberta(cls, sep, 0);
  parts.vocab = std::move(vocab);
  return parts;
}

}  // namespace sesame::tokenizers
