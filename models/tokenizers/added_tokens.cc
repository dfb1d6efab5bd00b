#include "models/tokenizers/added_tokens.h"

#include <algorithm>

#include "models/tokenizers/unicode.h"

namespace sesame::tokenizers {
namespace {

bool stands_alone(GlyphView text, std::uint32_t begin, std::uint32_t end) {
  return (begin == 0 || !is_word(text[begin - 1].code)) && (end == text.size() || !is_word(text[end].code));
}

}  // namespace

const AddedTokenMatcher::Edge* AddedTokenMatcher::edge(std::uint32_t node, char32_t code) const {
  const auto& edges = nodes_[node].edges;
  const auto found = std::lower_bound(edges.begin(), edges.end(), code,
                                      [](const Edge& candidate, char32_t wanted) { return candidate.code < wanted; });
  return found != edges.end() && found->code == code ? &*found : nullptr;
}

void AddedTokenMatcher::add(const AddedToken& token, GlyphView pattern) {
  if (pattern.empty()) return;
  if (pattern.front().code < 128) starts_ascii_[pattern.front().code] = true;
  std::uint32_t node = 0;
  for (const Glyph& glyph : pattern) {
    if (const Edge* found = edge(node, glyph.code)) {
      node = found->node;
      continue;
    }
    const auto next = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
    auto& edges = nodes_[node].edges;
    const auto place = std::find_if(edges.begin(), edges.end(), [&](const Edge& e) { return e.code > glyph.code; });
    edges.insert(place, {glyph.code, next});
    node = next;
  }
  if (nodes_[node].token == nullptr) nodes_[node].token = &token;
}

const AddedToken* AddedTokenMatcher::match(GlyphView text, std::uint32_t at, std::uint32_t& end) const {
  const AddedToken* best = nullptr;
  std::uint32_t node = 0;
  for (std::uint32_t i = at; i < text.size(); ++i) {
    const Edge* next = edge(node, text[i].code);
    if (next == nullptr) break;
    node = next->node;
    if (nodes_[node].token == nullptr) continue;
    best = nodes_[node].token;
    end = i + 1;
  }
  return best;
}

void AddedTokenMatcher::split(GlyphView text, std::vector<Section>& sections) const {
  sections.clear();
  const auto size = static_cast<std::uint32_t>(text.size());
  std::uint32_t done = 0;
  for (std::uint32_t at = 0; at < size && !empty();) {
    std::uint32_t end = 0;
    const bool possible = text[at].code >= 128 || starts_ascii_[text[at].code];
    const AddedToken* token = possible ? match(text, at, end) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    if (token->single_word && !stands_alone(text, at, end)) {
      at = end;
      continue;
    }
    std::uint32_t begin = at;
    while (token->lstrip && begin > done && is_whitespace(text[begin - 1].code)) --begin;
    while (token->rstrip && end < size && is_whitespace(text[end].code)) ++end;
    if (done < begin) sections.push_back({{done, begin}, nullptr});
    sections.push_back({{begin, end}, token});
    done = at = end;
  }
  if (done < size) sections.push_back({{done, size}, nullptr});
}

}  // namespace sesame::tokenizers
