// Tokens and their ids, with look-ups that copy nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::tokenizers {

// Filled once with add() and freeze(), const from then on.
class Vocab {
 public:
  static constexpr std::int32_t kNone = -1;

  // Gives `token` the id; a token that comes again keeps the id given last. Ids may have gaps. Requires 0 <= id.
  // The ids' table is as long as the largest id: the caller bounds it.
  void add(std::string_view token, std::int32_t id);
  // Builds the tables that find() and, where it is asked for, each_prefix() need.
  void freeze(bool with_prefixes = false);

  std::int32_t find(std::string_view token) const;

  // The longest token that is `prefix` and then a beginning of `text`, of at least one byte; `length` is the number
  // of bytes of `text` that it has. `text` is well-formed UTF-8; so the token ends where a code point does.
  std::int32_t find_longest(std::string_view prefix, std::string_view text, std::size_t& length) const;

  // Calls visit(id, length) for each token that is a beginning of `text`, shortest first. Requires
  // freeze(with_prefixes).
  template <typename Visit>
  void each_prefix(std::string_view text, Visit visit) const;

  // The token of an id, empty when there is none.
  std::string_view token(std::int32_t id) const;
  bool has(std::int32_t id) const { return !token(id).empty(); }

  // One more than the largest id.
  std::int32_t size() const { return static_cast<std::int32_t>(places_.size()); }

 private:
  // A slot of the open-addressing table: the upper half of the hash, so that most probes compare no strings.
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = kNone;
  };
  struct Place {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };

  static std::uint64_t step(std::uint64_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 0x9E3779B97F4A7C15u;
  }
  static std::uint64_t finish(std::uint64_t hash) { return (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9u; }
  static std::uint64_t hash_of(std::string_view text, std::uint64_t hash = 0x51ED270B) {
    for (const char byte : text) hash = step(hash, byte);
    return hash;
  }
  static bool starts_code_point(char byte) { return (byte & 0xC0) != 0x80; }

  std::size_t prefix_bit(std::uint64_t hash) const { return finish(hash) >> 32 & (prefixes_.size() * 64 - 1); }
  bool may_begin(std::uint64_t hash) const {
    const std::size_t bit = prefix_bit(hash);
    return (prefixes_[bit / 64] >> bit % 64 & 1) != 0;
  }

  void index_prefixes();

  // The id of the token that is `prefix` followed by `text`, given the hash of both.
  std::int32_t probe(std::uint64_t hash, std::string_view prefix, std::string_view text) const;

  std::string bytes_;
  std::vector<Place> places_;  // by id
  std::vector<Slot> slots_;
  std::size_t longest_ = 0;  // bytes of the longest token
  // A bit for the hash of each beginning of each token: where it is 0, no token goes on. It is 1 by chance now and
  // then, which costs a probe.
  std::vector<std::uint64_t> prefixes_;
};

template <typename Visit>
void Vocab::each_prefix(std::string_view text, Visit visit) const {
  const std::size_t limit = text.size() < longest_ ? text.size() : longest_;
  std::uint64_t hash = hash_of({});
  for (std::size_t length = 1; length <= limit; ++length) {
    hash = step(hash, text[length - 1]);
    if (!may_begin(hash)) return;
    if (length < text.size() && !starts_code_point(text[length])) continue;
    const std::int32_t id = probe(hash, {}, text.substr(0, length));
    if (id != kNone) visit(id, length);
  }
}

}  // namespace sesame::tokenizers
