// vocab.txt: BERT and its kin.
#include <algorithm>
#include <string_view>

#include "models/json.h"
#include "models/tokenizers/bert_normalizer.h"
#include "models/tokenizers/load.h"
#include "models/tokenizers/utf8.h"
#include "models/tokenizers/wordpiece.h"
#include "sesame/error.h"

namespace sesame::tokenizers {
namespace {

constexpr std::string_view kFile = "vocab.txt";

// The classes whose vocab.txt means what BERT's means.
constexpr std::string_view kClasses[] = {
    "",
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "MPNetTokenizer",
    "ConvBertTokenizer",
    "SqueezeBertTokenizer",
    "LayoutLMTokenizer",
    "PreTrainedTokenizer",
};

// One token a line, whose id is the line's number from 0. A token that comes again has its last number.
std::unique_ptr<Vocab> read_vocab(std::string_view bytes) {
  auto vocab = std::make_unique<Vocab>();
  std::int32_t id = 0;
  for (std::size_t at = 0; at < bytes.size(); ++id) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    vocab->add(repair_utf8(line), id);
    at = end + 1;
  }
  vocab->freeze();
  return vocab;
}

// Where no file says whether the text is lowered: vocabularies of lowered text have no upper case letters.
bool looks_lowered(const Vocab& vocab) {
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    if (vocab.find(std::string_view(&letter, 1)) != Vocab::kNone) return false;
  }
  return true;
}

BertOptions normalizer_options(const Settings& settings, const Vocab& vocab) {
  BertOptions options;
  options.lowercase = settings.do_lower_case.value_or(looks_lowered(vocab));
  options.strip_accents = settings.strip_accents.value_or(options.lowercase);
  options.handle_chinese_chars = settings.tokenize_chinese_chars;
  // The library that reads vocab.txt itself counts code points without a category as control characters; the one
  // behind tokenizer.json doesn't.
  options.drop_unassigned = true;
  return options;
}

}  // namespace

PipelineParts load_bert(const FileSet& files, const Settings& settings, std::string_view bytes) {
  const std::string label = files.label(kFile);
  if (std::find(std::begin(kClasses), std::end(kClasses), settings.tokenizer_class) == std::end(kClasses)) {
    throw Error(files.label("tokenizer_config.json") + ": tokenizer_class: expected one that reads vocab.txt as " +
                "BertTokenizer does, found " + in_quotes(settings.tokenizer_class));
  }
  PipelineParts parts;
  auto vocab = read_vocab(bytes);
  const bool mpnet = settings.tokenizer_class.starts_with("MPNet") || settings.model_type == "mpnet";
  const SpecialNames usual = mpnet ? SpecialNames{"<pad>", "<mask>", "<s>", "</s>", "[UNK]"}
                                   : SpecialNames{"[PAD]", "[MASK]", "[CLS]", "[SEP]", "[UNK]"};
  const SpecialNames names = with_defaults(settings.names, usual);
  parts.added.assign(settings.added.begin(), settings.added.end());
  for (const std::string& name : {names.unk, names.sep, names.pad, names.cls}) {
    add_special(name, false, *vocab, parts.added);
  }
  add_special(names.mask, mpnet, *vocab, parts.added);
  parts.special = find_special(names, parts.added, *vocab);
  const std::int32_t cls = require_token(names.cls, parts.special.cls, label);
  const std::int32_t sep = require_token(names.sep, parts.special.sep, label);
  parts.normalizer = std::make_unique<BertNormalizer>(normalizer_options(settings, *vocab));
  parts.pre_tokenizer = std::make_unique<BertPreTokenizer>();
  WordPieceOptions options;
  options.unk_id = require_token(names.unk, parts.special.unk, label);
  parts.model = std::make_unique<WordPiece>(*vocab, options);
  parts.post = mpnet ? Template::roberta(cls, sep, 0) : Template::bert(cls, sep);
  parts.vocab = std::move(vocab);
  return parts;
}

}  // namespace sesame::tokenizers
