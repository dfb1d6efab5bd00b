// vocab.json and merges.txt: byte-level BPE, RoBERTa and its kin.
#include <algorithm>

#include "models/json.h"
#include "models/tokenizers/bpe.h"
#include "models/tokenizers/load.h"
#include "models/tokenizers/vocab_json.h"
#include "sesame/error.h"

namespace sesame::tokenizers {
namespace {

constexpr std::string_view kVocab = "vocab.json";
constexpr std::string_view kMerges = "merges.txt";
constexpr std::string_view kClasses[] = {"", "RobertaTokenizer", "LongformerTokenizer", "BartTokenizer",
                                         "PreTrainedTokenizer"};

MergeTable read_merges(std::string_view bytes, const std::string& label, const Vocab& vocab) {
  MergeBuilder merges(vocab, {});
  std::size_t number = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    ++number;
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    if (!merges.add(line)) {
      throw Error(label + ": line " + std::to_string(number) +
                  ": expected two tokens whose join is one, all of the vocabulary, found " + in_quotes(line));
    }
  }
  return std::move(merges).table();
}

}  // namespace

PipelineParts load_roberta(const FileSet& files, const Settings& settings, std::string_view vocab_bytes) {
  const std::string label = files.label(kVocab);
  if (std::find(std::begin(kClasses), std::end(kClasses), settings.tokenizer_class) == std::end(kClasses)) {
    throw Error(files.label("tokenizer_config.json") + ": tokenizer_class: expected one that reads vocab.json as " +
                "RobertaTokenizer does, found " + in_quotes(settings.tokenizer_class));
  }
  const auto merge_bytes = files.read(kMerges);
  if (!merge_bytes) throw Error(files.label(kMerges) + ": expected it beside vocab.json, found no such file");
  const nlohmann::json json = parse_json(vocab_bytes, label);
  PipelineParts parts;
  auto vocab = read_id_map(Field(json, label), largest_id(vocab_bytes.size()));
  const SpecialNames names = with_defaults(settings.names, {"<pad>", "<mask>", "<s>", "</s>", "<unk>"});
  parts.added.assign(settings.added.begin(), settings.added.end());
  for (const std::string& name : {names.cls, names.pad, names.sep, names.unk}) {
    add_special(name, false, *vocab, parts.added);
  }
  add_special(names.mask, true, *vocab, parts.added);
  parts.special = find_special(names, parts.added, *vocab);
  const std::int32_t cls = require_token(names.cls, parts.special.cls, label);
  const std::int32_t sep = require_token(names.sep, parts.special.sep, label);
  BpeOptions options;
  options.unk_id = require_token(names.unk, parts.special.unk, label);
  parts.prefix_space_added = settings.add_prefix_space.value_or(false);
  parts.trim_offsets = true;
  parts.pre_tokenizer = std::make_unique<ByteLevel>(parts.prefix_space_added, true);
  parts.model = std::make_unique<Bpe>(*vocab, read_merges(*merge_bytes, files.label(kMerges), *vocab), options);
  parts.post = Template::roberta(cls, sep, 1);
  parts.vocab = std::move(vocab);
  return parts;
}

}  // namespace sesame::tokenizers
