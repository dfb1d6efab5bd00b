#include "models/tokenizers/bpe.h"

#include <algorithm>
#include <bit>

#include "models/tokenizers/utf8.h"

namespace sesame::tokenizers {
namespace {

constexpr std::int32_t kDead = -2;
constexpr std::uint32_t kEnd = 0xFFFFFFFF;

std::uint64_t mix(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15u;
  return key ^ key >> 32;
}

}  // namespace

void MergeTable::add(std::int32_t left, std::int32_t right, std::int32_t result) {
  rules_.push_back({key_of(left, right), {static_cast<std::uint32_t>(rules_.size()), result}});
}

void MergeTable::freeze() {
  slots_.assign(std::bit_ceil(std::max<std::size_t>(rules_.size() * 2, 16)), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t i = 0; i < rules_.size(); ++i) {
    std::size_t at = mix(rules_[i].key) & mask;
    while (slots_[at] != 0 && rules_[slots_[at] - 1].key != rules_[i].key) at = (at + 1) & mask;
    if (slots_[at] == 0) slots_[at] = i + 1;
  }
}

const MergeTable::Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key = key_of(left, right);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = mix(key) & mask; slots_[at] != 0; at = (at + 1) & mask) {
    const Rule& rule = rules_[slots_[at] - 1];
    if (rule.key == key) return &rule.merge;
  }
  return nullptr;
}

Bpe::Bpe(const Vocab& vocab, MergeTable merges, BpeOptions options)
    : vocab_(vocab), merges_(std::move(merges)), options_(std::move(options)) {
  std::string bytes;
  for (char32_t code = 0; code < small_.size(); ++code) {
    bytes.clear();
    append_utf8(code, bytes);
    small_[code] = vocab_.find(bytes);
  }
}

std::int32_t Bpe::character(char32_t code, bool first, bool last, std::string& bytes) const {
  const bool plain = options_.continuing_prefix.empty() && options_.word_suffix.empty();
  if (plain && code < small_.size()) return small_[code];
  bytes.clear();
  if (!first) bytes += options_.continuing_prefix;
  append_utf8(code, bytes);
  if (last) bytes += options_.word_suffix;
  return vocab_.find(bytes);
}

void Bpe::split_characters(GlyphView word, Work& work) const {
  auto& symbols = work.symbols;
  symbols.clear();
  bool after_unk = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    std::int32_t id = character(word[i].code, i == 0, i + 1 == word.size(), work.bytes);
    const bool unk = id == Vocab::kNone;
    if (unk && !options_.unk_id) continue;
    if (unk) id = *options_.unk_id;
    if (unk && after_unk && options_.fuse_unk) {
      symbols.back().end = word[i].end;
      continue;
    }
    after_unk = unk;
    const auto index = static_cast<std::uint32_t>(symbols.size());
    symbols.push_back({id, word[i].begin, word[i].end, index - 1, index + 1});
  }
  if (!symbols.empty()) symbols.back().next = kEnd;
}

// Queues the merge of a symbol with the one behind it, if there is a rule.
void Bpe::consider(Work& work, std::uint32_t left) const {
  const Symbol& symbol = work.symbols[left];
  if (symbol.next == kEnd) return;
  const std::int32_t right_id = work.symbols[symbol.next].id;
  const MergeTable::Merge* merge = merges_.find(symbol.id, right_id);
  if (merge == nullptr) return;
  work.heap.push_back({merge->rank, left, symbol.id, right_id, merge->result});
  // The heap's top is the best rule, of equals the leftmost.
  std::push_heap(work.heap.begin(), work.heap.end(), [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  });
}

void Bpe::merge_all(Work& work) const {
  auto& symbols = work.symbols;
  work.heap.clear();
  for (std::uint32_t i = 0; i < symbols.size(); ++i) consider(work, i);
  while (!work.heap.empty()) {
    const Candidate best = work.heap.front();
    std::pop_heap(work.heap.begin(), work.heap.end(), [](const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
    });
    work.heap.pop_back();
    Symbol& left = symbols[best.left];
    if (left.id != best.left_id || left.next == kEnd || symbols[left.next].id != best.right_id) continue;
    Symbol& right = symbols[left.next];
    left.id = best.result;
    left.end = right.end;
    left.next = right.next;
    right.id = kDead;
    if (left.next != kEnd) symbols[left.next].previous = best.left;
    if (best.left != 0) consider(work, left.previous);
    consider(work, best.left);
  }
}

void Bpe::tokenize(const Words& words, std::vector<Token>& tokens) const {
  Work work;
  for (const Range range : words.ranges) {
    const GlyphView word = GlyphView(words.glyphs).subspan(range.begin, range.end - range.begin);
    if (options_.ignore_merges) {
      encode(word, work.bytes);
      if (const std::int32_t id = vocab_.find(work.bytes); id != Vocab::kNone) {
        tokens.push_back({id, word.front().begin, word.back().end});
        continue;
      }
    }
    split_characters(word, work);
    merge_all(work);
    for (const Symbol& symbol : work.symbols) {
      if (symbol.id != kDead) tokens.push_back({symbol.id, symbol.begin, symbol.end});
    }
  }
}

}  // namespace sesame::tokenizers
