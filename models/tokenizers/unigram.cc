#include "models/tokenizers/unigram.h"

#include <algorithm>

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

constexpr std::uint32_t kUnreached = 0xFFFFFFFF;

std::size_t code_point_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

struct Unigram::Work {
  std::string bytes;
  std::vector<Node<float>> single_nodes;
  std::vector<Node<double>> double_nodes;
  std::vector<std::uint32_t> glyph_at;  // by byte: the index of the glyph that begins there
  std::vector<Piece> pieces;
};

template <typename Sum>
void Unigram::best_path(std::string_view bytes, std::vector<Node<Sum>>& nodes) const {
  nodes.assign(bytes.size() + 1, {0, 0, kUnreached});
  for (std::size_t begin = 0; begin < bytes.size();) {
    const double so_far = nodes[begin].score;
    const std::size_t one = code_point_bytes(bytes[begin]);
    bool has_one = false;
    // In this order and with these types: equal sums must be told apart as the original does.
    const auto offer = [&](std::int32_t id, std::size_t length, double score) {
      Node<Sum>& node = nodes[begin + length];
      const double sum = score + so_far;
      if (node.begin != kUnreached && !(sum > node.score)) return;
      node = {static_cast<Sum>(sum), id, static_cast<std::uint32_t>(begin)};
    };
    pieces_.each_prefix(bytes.substr(begin), [&](std::int32_t id, std::size_t length) {
      offer(id, length, scores_[id]);
      has_one |= length == one;
    });
    if (!has_one) offer(options_.unk_id, one, options_.unk_score);
    begin += one;
  }
}

template <typename Sum>
void Unigram::cut(std::vector<Node<Sum>>& nodes, Work& work) const {
  work.pieces.clear();
  for (std::size_t end = work.bytes.size(); end > 0;) {
    const Node<Sum>& node = nodes[end];
    const Range range{work.glyph_at[node.begin], work.glyph_at[end]};
    const bool joins = options_.fuse_unk && node.id == options_.unk_id && !work.pieces.empty() &&
                       work.pieces.back().id == options_.unk_id;
    if (joins) {
      work.pieces.back().range.begin = range.begin;
    } else {
      work.pieces.push_back({node.id, range});
    }
    end = node.begin;
  }
  std::reverse(work.pieces.begin(), work.pieces.end());
}

void Unigram::tokenize(const Words& words, std::vector<Token>& tokens) const {
  Work work;
  for (const Range range : words.ranges) {
    const GlyphView word = GlyphView(words.glyphs).subspan(range.begin, range.end - range.begin);
    encode(word, work.bytes);
    work.glyph_at.resize(work.bytes.size() + 1);
    std::uint32_t glyph = 0;
    for (std::size_t at = 0; at < work.bytes.size(); at += code_point_bytes(work.bytes[at])) {
      work.glyph_at[at] = glyph++;
    }
    work.glyph_at[work.bytes.size()] = glyph;
    if (options_.single_precision) {
      best_path(work.bytes, work.single_nodes);
      cut(work.single_nodes, work);
    } else {
      best_path(work.bytes, work.double_nodes);
      cut(work.double_nodes, work);
    }
    for (const Piece& piece : work.pieces) append(word, piece, tokens);
  }
}

void Unigram::append(GlyphView word, const Piece& piece, std::vector<Token>& tokens) const {
  const GlyphView part = word.subspan(piece.range.begin, piece.range.end - piece.range.begin);
  if (piece.id == options_.unk_id) return append_unk(part, tokens);
  const auto expansion = expansions_.empty() ? expansions_.end() : expansions_.find(piece.id);
  if (expansion == expansions_.end()) {
    tokens.push_back({piece.id, part.front().begin, part.back().end});
    return;
  }
  std::size_t at = 0;
  for (const Part& sub : expansion->second) {
    tokens.push_back({sub.id, part[at].begin, part[at + sub.length - 1].end});
    at += sub.length;
  }
}

void Unigram::append_unk(GlyphView part, std::vector<Token>& tokens) const {
  if (!options_.byte_ids) {
    tokens.push_back({options_.unk_id, part.front().begin, part.back().end});
    return;
  }
  std::string bytes;
  for (const Glyph& glyph : part) {
    bytes.clear();
    append_utf8(glyph.code, bytes);
    for (const char byte : bytes) {
      tokens.push_back({(*options_.byte_ids)[static_cast<unsigned char>(byte)], glyph.begin, glyph.end});
    }
  }
}

}  // namespace sesame::tokenizers
