// Whole tokenizers against the ids that Hugging Face's give.
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/tokenizers/tokenizer.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame;
using Ids = std::vector<std::int64_t>;

namespace {

Encoding encode(const Tokenizer& tokenizer, const nlohmann::json& vector) {
  const std::string text = vector["text"];
  if (!vector.contains("pair")) return tokenizer.encode(text);
  return tokenizer.encode(text, vector["pair"].get<std::string>());
}

void check_offsets(const Encoding& encoding, const std::string& text) {
  REQUIRE(encoding.offsets.size() == encoding.ids.size());
  for (const Offset offset : encoding.offsets) {
    REQUIRE(offset.begin <= offset.end);
    REQUIRE(offset.end <= text.size());
  }
}

void check_vectors(const std::string& set) {
  const auto folder = test::shared_path("tokenizers/" + set);
  if (!folder) return;
  const auto tokenizer = load_tokenizer(*folder);
  std::ifstream in(*folder / "vectors.jsonl");
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const nlohmann::json vector = nlohmann::json::parse(line);
    INFO("line " << count + 1 << ": " << line.substr(0, 300));
    const Encoding encoding = encode(*tokenizer, vector);
    CHECK(encoding.ids == vector["ids"].get<Ids>());
    if (vector.contains("type_ids")) CHECK(encoding.type_ids == vector["type_ids"].get<Ids>());
    CHECK_FALSE(encoding.truncated);
    const std::string text = vector["text"];
    check_offsets(encoding, text + vector.value("pair", std::string()));
  }
  CHECK(count > 300);
}

}  // namespace

TEST_CASE("vectors of bert-uncased") { check_vectors("bert-uncased"); }
TEST_CASE("vectors of bert-cased") { check_vectors("bert-cased"); }
TEST_CASE("vectors of mbert-uncased") { check_vectors("mbert-uncased"); }
TEST_CASE("vectors of roberta") { check_vectors("roberta"); }
TEST_CASE("vectors of albert") { check_vectors("albert"); }
