// What the writers of tokenizers share.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "models/synthesis/model_spec.h"
#include "models/synthesis/random.h"

namespace sesame::models::synthesis {

struct SpecialTokens {
  const char *unk, *sep, *pad, *cls, *mask;
};
inline constexpr SpecialTokens kBertTokens = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};

nlohmann::ordered_json special_tokens(const SpecialTokens& tokens);

// Writes tokenizer_config.json, which begins with `config`, and special_tokens_map.json.
void write_settings(nlohmann::ordered_json config, const nlohmann::ordered_json& special, const ModelSpec& spec,
                    const std::string& tokenizer_class, const std::filesystem::path& folder);

// Something that can be pronounced.
std::string syllable(SplitMix64& random);

}  // namespace sesame::models::synthesis
