#include "models/tokenizers/load.h"

#include <array>

#include "models/tokenizers/tokenizer.h"
#include "sesame/error.h"

namespace sesame {
namespace {

using namespace tokenizers;

// The files that hold a vocabulary, the preferred first.
constexpr std::array<std::string_view, 6> kVocabularies = {"tokenizer.json", "vocab.txt", "vocab.json",
                                                           "spiece.model",   "spm.model", "sentencepiece.bpe.model"};

struct Choice {
  std::string_view name;
  std::string bytes;
};

std::optional<Choice> choose(const FileSet& files) {
  for (const std::string_view name : kVocabularies) {
    if (auto bytes = files.read(name)) return Choice{name, std::move(*bytes)};
  }
  return std::nullopt;
}

PipelineParts load(const FileSet& files, const Choice& choice) {
  const Settings settings = read_settings(files);
  if (choice.name == "tokenizer.json") return load_tokenizer_json(files, settings, choice.bytes);
  if (choice.name == "vocab.txt") return load_bert(files, settings, choice.bytes);
  if (choice.name == "vocab.json") return load_roberta(files, settings, choice.bytes);
  return load_sentencepiece(files, settings, choice.name, choice.bytes);
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const FileSet& files) {
  const auto choice = choose(files);
  if (!choice) {
    throw Error(
        files.label("tokenizer.json") +
        ": expected it, or vocab.txt, vocab.json, spiece.model, spm.model or sentencepiece.bpe.model beside it, "
        "found none");
  }
  return std::make_unique<Pipeline>(load(files, *choice));
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder) {
  return load_tokenizer(FolderFiles(folder));
}

std::vector<std::string> tokenizer_files(const FileSet& files) {
  std::vector<std::string> names;
  if (const auto choice = choose(files)) names.emplace_back(choice->name);
  if (!names.empty() && names.front() == "vocab.json") names.emplace_back("merges.txt");
  for (const std::string_view name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    if (files.read(name)) names.emplace_back(name);
  }
  return names;
}

}  // namespace sesame
