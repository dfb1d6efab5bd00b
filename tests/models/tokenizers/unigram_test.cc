#include "models/tokenizers/unigram.h"

#include <cmath>
#include <map>
#include <random>

#include "models/tokenizers/utf8.h"
#include "tests/catch.h"

using namespace sesame::tokenizers;
using Ids = std::vector<std::int32_t>;

namespace {

const std::vector<std::pair<std::string, double>> kPieces = {{"<unk>", 0},     {"a", -3},          {"b", -3.5},
                                                             {"ab", -4},       {"ba", -5},         {"aba", -6.25},
                                                             {"\xC3\xA9", -4}, {"b\xC3\xA9", -4.5}};

Unigram make_model(UnigramOptions options = {}) {
  Vocab vocab;
  std::vector<double> scores;
  for (const auto& [piece, score] : kPieces) {
    if (!scores.empty()) vocab.add(piece, static_cast<std::int32_t>(scores.size()));
    scores.push_back(score);
  }
  vocab.freeze(true);
  options.unk_score = -16.25;
  return Unigram(std::move(vocab), std::move(scores), options);
}

std::vector<Token> tokenize(const Unigram& model, const std::string& word) {
  Words words;
  decode(word, words.glyphs);
  words.ranges = {{0, static_cast<std::uint32_t>(words.glyphs.size())}};
  std::vector<Token> tokens;
  model.tokenize(words, tokens);
  return tokens;
}

// The best sum over all ways to cut `text`.
double best_sum(const std::string& text, std::map<std::string, double>& known) {
  if (text.empty()) return 0;
  if (const auto found = known.find(text); found != known.end()) return found->second;
  double best = -1e300;
  for (std::size_t i = 1; i < kPieces.size(); ++i) {
    const auto& [piece, score] = kPieces[i];
    if (text.starts_with(piece)) best = std::max(best, score + best_sum(text.substr(piece.size()), known));
  }
  if (text[0] == 'x') best = -16.25 + best_sum(text.substr(1), known);
  return known[text] = best;
}

double sum_of(const std::vector<Token>& tokens) {
  double sum = 0;
  for (const Token& token : tokens) sum += token.id == 0 ? -16.25 : kPieces[token.id].second;
  return sum;
}

}  // namespace

TEST_CASE("the cut has the best sum of scores") {
  UnigramOptions options;
  options.fuse_unk = false;
  const Unigram model = make_model(options);
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string word;
    for (std::size_t i = 1 + random() % 14; i > 0; --i)
      word += std::vector<std::string>{"a", "b", "\xC3\xA9", "x"}[random() % 4];
    INFO(word);
    std::map<std::string, double> known;
    REQUIRE(sum_of(tokenize(model, word)) == best_sum(word, known));
  }
}

TEST_CASE("a run of unknown characters is one token") {
  const auto tokens = tokenize(make_model(), "xxaxx");
  REQUIRE(tokens.size() == 3);
  CHECK(tokens[0].id == 0);
  CHECK(tokens[0].end == 2);
  CHECK(tokens[1].id == 1);
  CHECK(tokens[2].begin == 3);
  CHECK(tokens[2].end == 5);
}

TEST_CASE("bytes stand for unknown characters where the vocabulary has them") {
  UnigramOptions options;
  options.byte_ids.emplace();
  for (int byte = 0; byte < 256; ++byte) (*options.byte_ids)[byte] = 1000 + byte;
  const auto tokens = tokenize(make_model(options), "a\xE2\x82\xAC");
  REQUIRE(tokens.size() == 4);
  CHECK(tokens[1].id == 1000 + 0xE2);
  CHECK(tokens[3].id == 1000 + 0xAC);
  CHECK(tokens[3].begin == 1);
  CHECK(tokens[3].end == 2);
}

TEST_CASE("expansions replace a piece and share its characters out") {
  Unigram model = make_model();
  model.set_expansions({{3, {{10, 1}, {11, 1}}}});
  const auto tokens = tokenize(model, "ab");
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].id == 10);
  CHECK(tokens[1].id == 11);
  CHECK(tokens[1].begin == 1);
}

TEST_CASE("a word of a million characters") {
  CHECK(tokenize(make_model(), std::string(1000000, 'a')).size() == 1000000);
}
