#include "models/tokenizers/vocab.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

namespace sesame::tokenizers {

void Vocab::add(std::string_view token, std::int32_t id) {
  assert(id >= 0);
  if (static_cast<std::size_t>(id) >= places_.size()) places_.resize(static_cast<std::size_t>(id) + 1);
  places_[id] = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(token.size())};
  bytes_ += token;
  longest_ = std::max(longest_, token.size());
}

void Vocab::freeze(bool with_prefixes) {
  const std::size_t wanted = std::bit_ceil(std::max<std::size_t>(places_.size() * 2, 16));
  slots_.assign(wanted, Slot{});
  const std::size_t mask = wanted - 1;
  for (std::int32_t id = 0; id < size(); ++id) {
    const std::string_view text = token(id);
    if (text.empty()) continue;
    const std::uint64_t hash = finish(hash_of(text));
    const Slot filled{static_cast<std::uint32_t>(hash >> 32), id};
    std::size_t at = hash & mask;
    while (slots_[at].id != kNone && !(slots_[at].tag == filled.tag && token(slots_[at].id) == text)) {
      at = (at + 1) & mask;
    }
    slots_[at] = filled;
  }
  if (with_prefixes) index_prefixes();
}

void Vocab::index_prefixes() {
  prefixes_.assign(std::bit_ceil(bytes_.size() / 8 + 1), 0);  // 8 bits for each prefix: 1 in 8 by chance, or fewer
  for (std::int32_t id = 0; id < size(); ++id) {
    std::uint64_t hash = hash_of({});
    for (const char byte : token(id)) {
      hash = step(hash, byte);
      const std::size_t bit = prefix_bit(hash);
      prefixes_[bit / 64] |= std::uint64_t{1} << bit % 64;
    }
  }
}

std::string_view Vocab::token(std::int32_t id) const {
  if (id < 0 || id >= size()) return {};
  return std::string_view(bytes_).substr(places_[id].begin, places_[id].size);
}

std::int32_t Vocab::find(std::string_view token) const {
  if (token.empty() || token.size() > longest_) return kNone;
  return probe(hash_of(token), {}, token);
}

std::int32_t Vocab::probe(std::uint64_t hash, std::string_view prefix, std::string_view text) const {
  hash = finish(hash);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].id != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag != tag) continue;
    const std::string_view found = token(slots_[at].id);
    if (found.size() == prefix.size() + text.size() && found.starts_with(prefix) && found.ends_with(text)) {
      return slots_[at].id;
    }
  }
  return kNone;
}

std::int32_t Vocab::find_longest(std::string_view prefix, std::string_view text, std::size_t& length) const {
  if (longest_ <= prefix.size()) return kNone;
  const std::size_t limit = std::min(text.size(), longest_ - prefix.size());
  std::array<std::uint64_t, 128> few;  // enough for the words of real text
  std::vector<std::uint64_t> many(limit < few.size() ? 0 : limit + 1);
  std::uint64_t* hashes = many.empty() ? few.data() : many.data();
  hashes[0] = hash_of(prefix);
  for (std::size_t i = 0; i < limit; ++i) hashes[i + 1] = step(hashes[i], text[i]);
  for (length = limit; length > 0; --length) {
    if (length < text.size() && !starts_code_point(text[length])) continue;
    const std::int32_t id = probe(hashes[length], prefix, text.substr(0, length));
    if (id != kNone) return id;
  }
  return kNone;
}

}  // namespace sesame::tokenizers
