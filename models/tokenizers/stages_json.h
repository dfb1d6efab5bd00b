// The stages of a tokenizer as tokenizer.json describes them.
#pragma once

#include "models/json.h"
#include "models/tokenizers/normalizer.h"
#include "models/tokenizers/pre_tokenizer.h"
#include "models/tokenizers/template.h"

namespace sesame::tokenizers {

// Each reads one description, and refuses types and settings that it doesn't know.
NormalizerPtr read_normalizer(const Field& field);
PreTokenizerPtr read_pre_tokenizer(const Field& field);

struct PostProcessing {
  Template post = Template::plain();
  bool trim_offsets = false;
  bool prefix_space_added = false;
};
// Ids beyond `last_id` are refused.
PostProcessing read_post_processor(const Field& field, std::int64_t last_id);

// The code points of a string field.
std::u32string code_points(const Field& field);

}  // namespace sesame::tokenizers
