// A tokenizer small enough to check by eye.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/tokenizers/tokenizer.h"

namespace sesame::test {

inline const std::vector<std::string>& tiny_vocab() {
  static const std::vector<std::string> tokens = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "run",
                                                  "##ning", ",",     ".",     "cafe",  "##s",    "i", "you"};
  return tokens;
}

inline std::string vocab_txt() {
  std::string lines;
  for (const std::string& token : tiny_vocab()) lines += token + "\n";
  return lines;
}

inline std::unique_ptr<Tokenizer> load_bert() { return load_tokenizer(MemoryFiles("m", {{"vocab.txt", vocab_txt()}})); }

// The same as tokenizer.json.
inline nlohmann::json bert_json() {
  nlohmann::json vocab;
  for (std::size_t i = 0; i < tiny_vocab().size(); ++i) vocab[tiny_vocab()[i]] = i;
  nlohmann::json added = nlohmann::json::array();
  for (int i = 0; i < 5; ++i) {
    added.push_back({{"id", i}, {"content", tiny_vocab()[i]}, {"special", true}, {"normalized", false}});
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", true},
            {"strip_accents", nullptr},
            {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", "[UNK]"},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", vocab}}}};
}

}  // namespace sesame::test
