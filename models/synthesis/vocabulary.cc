#include "models/synthesis/vocabulary.h"

#include <array>
#include <unordered_set>

#include "models/synthesis/random.h"
#include "models/synthesis/tokenizer_files.h"

namespace sesame::models::synthesis {

namespace {

constexpr std::array<const char*, 5> kSpecialTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::vector<std::string> fixed_pieces() {
  std::vector<std::string> pieces(kSpecialTokens.begin(), kSpecialTokens.end());
  for (char c = '!'; c <= '~'; ++c) {
    if (c < 'A' || c > 'Z') pieces.push_back(std::string(1, c));
  }
  for (char c = '0'; c <= 'z'; ++c) {
    if (is_letter_or_digit(c)) pieces.push_back(std::string("##") + c);
  }
  return pieces;
}

}  // namespace

std::vector<std::string> wordpiece_vocabulary(std::int64_t size, std::uint64_t seed) {
  std::vector<std::string> pieces = fixed_pieces();
  std::unordered_set<std::string> known(pieces.begin(), pieces.end());
  SplitMix64 random = stream(seed, "vocabulary");
  while (pieces.size() < static_cast<std::size_t>(size)) {
    std::string piece = pieces.size() % 2 == 0 ? "##" : "";
    do {
      piece += syllable(random);  // a piece that is known grows until it is new
    } while (!known.insert(piece).second);
    pieces.push_back(piece);
  }
  return pieces;
}

void write_wordpiece(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder) {
  std::string lines;
  for (const std::string& piece : wordpiece_vocabulary(spec.vocab, spec.seed)) lines += piece + "\n";
  write_text(lines, folder / "vocab.txt");

  write_settings({{"do_lower_case", true}}, special_tokens(kBertTokens), spec, tokenizer_class, folder);
}

}  // namespace sesame::models::synthesis
