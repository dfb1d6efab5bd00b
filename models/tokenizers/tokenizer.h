// From text to token ids, as the Hugging Face libraries do it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/files.h"

namespace sesame {

// A half-open range [begin, end), counted in code points of the text as it was given.
struct Offset {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const Offset&) const = default;
};

// One encoded text or pair. ids, type_ids and offsets have one entry a token; tokens has, when it was asked for.
struct Encoding {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;  // 0 for the first text, 1 for the second where the model tells them apart
  std::vector<std::string> tokens;
  std::vector<Offset> offsets;  // in the first or the second text; 0, 0 for tokens that the template adds
  bool truncated = false;       // tokens were left out to respect max_length
};

struct EncodeOptions {
  std::size_t max_length = 0;      // most tokens, special tokens included; 0: no limit
  bool add_special_tokens = true;  // [CLS] text [SEP] and the like
  bool with_tokens = false;        // fill Encoding::tokens
};

// The ids that have a role; what the model doesn't have is empty.
struct SpecialIds {
  std::optional<std::int64_t> pad, mask, cls, sep, unk;
};

// Const after loading and safe to share between threads.
//
// Any bytes are accepted as text: what isn't valid UTF-8 counts as U+FFFD, one for each maximal part of a sequence,
// and as one code point in offsets. Text longer than max_length loses its end; of a pair the longer text loses first,
// until both are equally long. A max_length below the number of special tokens leaves the special tokens.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode(std::string_view text, std::string_view pair, const EncodeOptions& options = {}) const;

  // The same into an Encoding whose memory is used again. `pair` may be null.
  virtual void encode_into(std::string_view text, const std::string_view* pair, const EncodeOptions& options,
                           Encoding& encoding) const = 0;

  virtual const SpecialIds& special_ids() const = 0;
  // Whether `id` is a special token: padding, mask, separators and what the files declare special.
  virtual bool is_special(std::int64_t id) const = 0;
  // One more than the largest id.
  virtual std::int64_t vocab_size() const = 0;
  // The token as the vocabulary spells it ("##ing", "Ġthe"); empty for an id without one.
  virtual std::string_view token(std::int64_t id) const = 0;
  // The inverse of token(), added tokens included.
  virtual std::optional<std::int64_t> id(std::string_view token) const = 0;
};

// Loads the tokenizer of a folder: tokenizer.json, or vocab.txt, or vocab.json and merges.txt, or a SentencePiece model
// (spiece.model, sentencepiece.bpe.model, spm.model), with tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. The files are untrusted. Throws Error, one line that names the file, what was expected and found.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder);
std::unique_ptr<Tokenizer> load_tokenizer(const FileSet& files);

// The names of the files that load_tokenizer() would read, for packing them with a model.
std::vector<std::string> tokenizer_files(const FileSet& files);

}  // namespace sesame
