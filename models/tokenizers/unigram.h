// SentencePiece's model: of all ways to cut a word into pieces, the one whose scores have the largest sum.
#pragma once

#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "models/tokenizers/model.h"
#include "models/tokenizers/vocab.h"

namespace sesame::tokenizers {

struct UnigramOptions {
  std::int32_t unk_id = 0;
  double unk_score = 0;  // of a code point that no piece is; lower than every piece's score
  bool fuse_unk = true;  // one unk_id for a run of such code points
  // Sums are rounded to single precision, as SentencePiece does; tokenizer.json's are double.
  bool single_precision = false;
  // The ids of the 256 bytes that stand for a code point that no piece is, if the vocabulary has them.
  std::optional<std::array<std::int32_t, 256>> byte_ids;
};

class Unigram final : public Model {
 public:
  // What stands for a piece instead of it: ids, and how many code points of the piece each covers.
  struct Part {
    std::int32_t id;
    std::uint32_t length;
  };
  using Expansions = std::unordered_map<std::int32_t, std::vector<Part>>;

  // `pieces` is what may be matched in text, with the vocabulary's ids, and `scores` has a score for each id of it.
  Unigram(Vocab pieces, std::vector<double> scores, UnigramOptions options)
      : pieces_(std::move(pieces)), scores_(std::move(scores)), options_(options) {}

  void set_expansions(Expansions expansions) { expansions_ = std::move(expansions); }

  void tokenize(const Words& words, std::vector<Token>& tokens) const override;

 private:
  // The best way to the end of a piece: the piece and where it begins (bytes).
  template <typename Sum>
  struct Node {
    Sum score;
    std::int32_t id;
    std::uint32_t begin;
  };
  // A piece of a word, in glyphs.
  struct Piece {
    std::int32_t id;
    Range range;
  };
  struct Work;

  template <typename Sum>
  void best_path(std::string_view bytes, std::vector<Node<Sum>>& nodes) const;
  template <typename Sum>
  void cut(std::vector<Node<Sum>>& nodes, Work& work) const;
  void append(GlyphView word, const Piece& piece, std::vector<Token>& tokens) const;
  void append_unk(GlyphView part, std::vector<Token>& tokens) const;

  Vocab pieces_;
  std::vector<double> scores_;
  UnigramOptions options_;
  Expansions expansions_;
};

}  // namespace sesame::tokenizers
