#include "models/tokenizers/bpe.h"

#include <random>

#include "models/tokenizers/utf8.h"
#include "tests/catch.h"

using namespace sesame::tokenizers;
using Ids = std::vector<std::int32_t>;

namespace {

struct Rule {
  const char *left, *right;
};

// Tokens a to d and what the rules make of them, in the order of the rules.
struct Fixture {
  Vocab vocab;
  std::vector<Rule> rules;
  MergeTable merges;

  explicit Fixture(std::vector<Rule> list) : rules(std::move(list)) {
    std::int32_t id = 0;
    for (const char* token : {"a", "b", "c", "d", "?"}) vocab.add(token, id++);
    for (const Rule& rule : rules) vocab.add(std::string(rule.left) + rule.right, id++);
    vocab.freeze();
    for (const Rule& rule : rules) {
      merges.add(vocab.find(rule.left), vocab.find(rule.right), vocab.find(std::string(rule.left) + rule.right));
    }
    merges.freeze();
  }
};

std::vector<Token> tokenize(const Bpe& model, const std::string& word) {
  Words words;
  decode(word, words.glyphs);
  words.ranges = {{0, static_cast<std::uint32_t>(words.glyphs.size())}};
  std::vector<Token> tokens;
  model.tokenize(words, tokens);
  return tokens;
}

Ids ids(const Bpe& model, const std::string& word) {
  Ids result;
  for (const Token& token : tokenize(model, word)) result.push_back(token.id);
  return result;
}

// The definition: as long as there is one, apply the best rule at its leftmost place.
Ids merge_slowly(const Fixture& fixture, const std::string& word) {
  Ids symbols;
  for (const char c : word) symbols.push_back(fixture.vocab.find(std::string(1, c)));
  while (true) {
    std::size_t best = symbols.size();
    std::uint32_t rank = 0xFFFFFFFF;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto* merge = fixture.merges.find(symbols[i], symbols[i + 1]);
      if (merge != nullptr && merge->rank < rank) rank = merge->rank, best = i;
    }
    if (best == symbols.size()) return symbols;
    symbols[best] = fixture.merges.find(symbols[best], symbols[best + 1])->result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

const std::vector<Rule> kRules = {{"a", "b"},   {"b", "a"}, {"ab", "a"}, {"a", "a"},   {"c", "ab"},
                                  {"aa", "aa"}, {"d", "d"}, {"dd", "d"}, {"ab", "ab"}, {"abab", "c"}};

}  // namespace

TEST_CASE("the queue of merges means what the definition says") {
  const Fixture fixture(kRules);
  const Bpe model(fixture.vocab, fixture.merges, {});
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string word;
    for (std::size_t i = 1 + random() % 24; i > 0; --i) word += "abcd"[random() % 4];
    INFO(word);
    REQUIRE(ids(model, word) == merge_slowly(fixture, word));
  }
}

TEST_CASE("merged tokens cover their characters") {
  const Fixture fixture(kRules);
  const Bpe model(fixture.vocab, fixture.merges, {});
  const auto tokens = tokenize(model, "cababd");
  std::uint32_t at = 0;
  for (const Token& token : tokens) {
    CHECK(token.begin == at);
    CHECK(token.end - token.begin == fixture.vocab.token(token.id).size());
    at = token.end;
  }
  CHECK(at == 6);
}

TEST_CASE("characters without a token") {
  const Fixture fixture(kRules);
  CHECK(ids(Bpe(fixture.vocab, fixture.merges, {}), "axxb") == ids(Bpe(fixture.vocab, fixture.merges, {}), "ab"));
  BpeOptions options;
  options.unk_id = 4;
  CHECK(ids(Bpe(fixture.vocab, fixture.merges, options), "axxb") == Ids{0, 4, 4, 1});
  options.fuse_unk = true;
  CHECK(ids(Bpe(fixture.vocab, fixture.merges, options), "axxb") == Ids{0, 4, 1});
}

TEST_CASE("a word of a million bytes takes no quadratic time") {
  const Fixture fixture(kRules);
  const Bpe model(fixture.vocab, fixture.merges, {});
  CHECK(tokenize(model, std::string(1000000, 'a')).size() == 250000);
}

TEST_CASE("a pair that comes again keeps its first rank") {
  Vocab vocab;
  MergeTable merges;
  merges.add(1, 2, 3);
  merges.add(1, 3, 4);
  merges.add(1, 2, 5);
  merges.freeze();
  REQUIRE(merges.find(1, 2) != nullptr);
  CHECK(merges.find(1, 2)->rank == 0);
  CHECK(merges.find(1, 2)->result == 3);
  CHECK(merges.find(2, 1) == nullptr);
}
