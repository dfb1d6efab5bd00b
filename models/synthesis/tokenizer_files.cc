#include "models/synthesis/tokenizer_files.h"

#include <array>
#include <fstream>
#include <string_view>

#include "models/synthesis/vocabulary.h"
#include "sesame/error.h"

namespace sesame::models::synthesis {

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

void write_text(const std::string& text, const std::filesystem::path& file) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) throw Error(file.string() + ": cannot be written");
}

nlohmann::ordered_json special_tokens(const SpecialTokens& t) {
  return {
      {"unk_token", t.unk}, {"sep_token", t.sep}, {"pad_token", t.pad}, {"cls_token", t.cls}, {"mask_token", t.mask}};
}

void write_settings(nlohmann::ordered_json config, const nlohmann::ordered_json& special, const ModelSpec& spec,
                    const std::string& tokenizer_class, const std::filesystem::path& folder) {
  config["model_max_length"] = spec.max_positions;
  config["tokenizer_class"] = tokenizer_class;
  config.update(special);
  write_text(config.dump(2) + "\n", folder / "tokenizer_config.json");
  write_text(special.dump(2) + "\n", folder / "special_tokens_map.json");
}

}  // namespace sesame::models::synthesis
