// RoBERTa's byte-level BPE, made up.
#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "models/synthesis/tokenizer_files.h"
#include "models/synthesis/vocabulary.h"

namespace sesame::models::synthesis {

namespace {

constexpr SpecialTokens kTokens = {"<unk>", "</s>", "<pad>", "<s>", "<mask>"};

std::string utf8(unsigned code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

// The character that stands for each byte (GPT-2's table), printable ASCII and the space first.
std::vector<std::string> byte_characters() {
  std::vector<std::string> ascii, others;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const std::string character = utf8(visible ? byte : next++);
    (byte >= 0x20 && byte <= 0x7E ? ascii : others).push_back(character);
  }
  ascii.insert(ascii.end(), others.begin(), others.end());
  return ascii;
}

struct BytePieces {
  std::vector<std::string> pieces;
  std::vector<std::pair<std::string, std::string>> merges;
};

// Bytes, then joins of two pieces: of letters, of the space and letters, and of joins.
BytePieces make_pieces(std::int64_t size, std::uint64_t seed) {
  BytePieces made;
  made.pieces = byte_characters();
  const auto room = static_cast<std::size_t>(size);
  made.pieces.resize(std::min(made.pieces.size(), room));
  std::unordered_set<std::string> known(made.pieces.begin(), made.pieces.end());
  const std::string space = utf8(0x120);
  std::vector<std::string> words;
  for (char c = 'a'; c <= 'z'; ++c) words.push_back(std::string(1, c));
  SplitMix64 random = stream(seed, "vocabulary");
  while (made.pieces.size() < room) {
    const std::string left = random.below(4) == 0 ? space : words[random.below(words.size())];
    const std::string right = words[random.below(words.size())];
    if (right.starts_with(space) || left.size() + right.size() > 16 || !known.insert(left + right).second) continue;
    made.merges.emplace_back(left, right);
    made.pieces.push_back(left + right);
    words.push_back(left + right);
  }
  return made;
}

}  // namespace

void write_byte_bpe(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder) {
  // <mask> comes last, as in the published file.
  const BytePieces made = make_pieces(spec.vocab - 5, spec.seed);
  nlohmann::ordered_json vocab;
  std::int64_t id = 0;
  for (const char* token : {kTokens.cls, kTokens.pad, kTokens.sep, kTokens.unk}) vocab[token] = id++;
  for (const std::string& piece : made.pieces) vocab[piece] = id++;
  vocab[kTokens.mask] = id;
  write_text(vocab.dump() + "\n", folder / "vocab.json");
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : made.merges) merges += left + " " + right + "\n";
  write_text(merges, folder / "merges.txt");
  nlohmann::ordered_json special = special_tokens(kTokens);
  special["bos_token"] = kTokens.cls;
  special["eos_token"] = kTokens.sep;
  write_settings({{"add_prefix_space", false}}, special, spec, tokenizer_class, folder);
}

}  // namespace sesame::models::synthesis
