// The file of a SentencePiece model: a protobuf message, read by hand with bounds for every length, since the library
// that writes such files trusts them and reports on stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::tokenizers {

struct SentencePieceFile {
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };
  enum ModelType { kUnigram = 1 };

  std::vector<Piece> pieces;
  std::string charsmap;
  std::uint64_t model_type = kUnigram;
  bool byte_fallback = false;
  bool space_as_suffix = false;
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;
};

// Throws Error for what is no such message; fields that aren't named above are skipped.
SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& label);

}  // namespace sesame::tokenizers
