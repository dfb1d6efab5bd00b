#include "models/synthesis/vocabulary.h"

#include <array>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>

#include "models/synthesis/random.h"
#include "sesame/error.h"

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

std::string syllable(SplitMix64& random) {
  static constexpr std::array<std::string_view, 20> onsets = {"b", "c", "d", "f", "g", "h",  "l",  "m",  "n",  "p",
                                                              "r", "s", "t", "v", "w", "ch", "pr", "st", "th", "tr"};
  static constexpr std::array<std::string_view, 8> vowels = {"a", "e", "i", "o", "u", "ai", "ea", "ou"};
  static constexpr std::array<std::string_view, 10> codas = {"", "", "", "l", "n", "r", "s", "t", "nd", "ng"};
  std::string text;
  text += onsets[random.below(onsets.size())];
  text += vowels[random.below(vowels.size())];
  text += codas[random.below(codas.size())];
  return text;
}

nlohmann::ordered_json special_tokens() {
  return {{"unk_token", "[UNK]"},
          {"sep_token", "[SEP]"},
          {"pad_token", "[PAD]"},
          {"cls_token", "[CLS]"},
          {"mask_token", "[MASK]"}};
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

void write_text(const std::string& text, const std::filesystem::path& file) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) throw Error(file.string() + ": cannot be written");
}

void write_wordpiece(const ModelSpec& spec, const std::string& tokenizer_class, const std::filesystem::path& folder) {
  std::string lines;
  for (const std::string& piece : wordpiece_vocabulary(spec.vocab, spec.seed)) lines += piece + "\n";
  write_text(lines, folder / "vocab.txt");

  nlohmann::ordered_json config = {
      {"do_lower_case", true}, {"model_max_length", spec.max_positions}, {"tokenizer_class", tokenizer_class}};
  config.update(special_tokens());
  write_text(config.dump(2) + "\n", folder / "tokenizer_config.json");
  write_text(special_tokens().dump(2) + "\n", folder / "special_tokens_map.json");
}

}  // namespace sesame::models::synthesis
