#include "models/synthesis/vocabulary.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/models/synthesis/tiny.h"
#include "tests/support.h"

namespace sesame::models::synthesis {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream stream(test::read_bytes(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("the tokenizer's files agree with each other") {
  const test::TempDir folder;
  ModelSpec spec = tiny("bert", Task::sequence_classification);
  spec.vocab = 1000;
  write_wordpiece(spec, "BertTokenizer", folder.path());
  CHECK(lines_of(folder.path() / "vocab.txt").size() == 1000);
  const auto tokenizer = nlohmann::json::parse(test::read_bytes(folder.path() / "tokenizer_config.json"));
  CHECK(tokenizer["tokenizer_class"] == "BertTokenizer");
  CHECK(tokenizer["do_lower_case"] == true);
  CHECK(tokenizer["model_max_length"] == 40);
  const auto special = nlohmann::json::parse(test::read_bytes(folder.path() / "special_tokens_map.json"));
  for (const auto& [key, token] : special.items()) CHECK(tokenizer[key] == token);
  CHECK(special.size() == 5);
}

TEST_CASE("a made vocabulary holds each piece once and all of ASCII") {
  for (const std::int64_t size : {kSmallestVocabulary, std::int64_t{30522}}) {
    const auto pieces = wordpiece_vocabulary(size, 7);
    REQUIRE(pieces.size() == static_cast<std::size_t>(size));
    const std::set<std::string> known(pieces.begin(), pieces.end());
    CHECK(known.size() == pieces.size());
    CHECK(std::vector<std::string>(pieces.begin(), pieces.begin() + 5) ==
          std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
    std::size_t missing = 0;
    for (char c = '!'; c <= '~'; ++c) {
      const bool capital = c >= 'A' && c <= 'Z';
      const bool punctuation = !capital && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9');
      missing += !capital && known.count(std::string(1, c)) == 0;
      missing += !capital && !punctuation && known.count(std::string("##") + c) == 0;
    }
    CHECK(missing == 0);
  }
}

}  // namespace
}  // namespace sesame::models::synthesis
