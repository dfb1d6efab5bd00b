// Made-up vocabularies, and the tokenizer's files around them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/synthesis/model_spec.h"

namespace sesame::models::synthesis {

// [PAD] [UNK] [CLS] [SEP] [MASK], the printable ASCII characters without capitals, "##" forms of letters and digits.
inline constexpr std::int64_t kSmallestVocabulary = 5 + 68 + 36;

// `size` different pieces: those above, in that order from [PAD] at 0, so that any lower-cased ASCII text tokenizes
// without [UNK]; then pronounceable ones made from the seed, every second one a "##" continuation.
std::vector<std::string> wordpiece_vocabulary(std::int64_t size, std::uint64_t seed);

// Write tokenizer_config.json, special_tokens_map.json and the vocabulary. Throw Error.
using TokenizerWriter = void (*)(const ModelSpec& spec, const std::string& tokenizer_class,
                                 const std::filesystem::path& folder);
// vocab.txt
void write_wordpiece(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder);
// vocab.json and merges.txt: byte-level BPE as RoBERTa has it. A vocabulary too small for all bytes has the printable
// ones, and merges where it has room for them.
void write_byte_bpe(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder);
// tokenizer.json: Unigram over words that begin with a mark, as ALBERT (lower-cased) and DeBERTa have it.
void write_unigram(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder);

// Writes a whole file. Throws Error that names it.
void write_text(const std::string& text, const std::filesystem::path& file);

}  // namespace sesame::models::synthesis
