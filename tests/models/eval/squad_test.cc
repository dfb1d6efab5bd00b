#include "models/eval/squad.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame::models;

TEST_CASE("answers are normalized as the official script does it") {
  // Each worked out with its normalize_answer() in Python.
  CHECK(normalize_answer("The  Cat, a DOG; an Ox!") == "cat dog ox");
  CHECK(normalize_answer("anthem of Athens") == "anthem of athens");
  CHECK(normalize_answer("U.S.A.") == "usa");
  CHECK(normalize_answer("a") == "");
  CHECK(normalize_answer("1999\u20132000") == "1999\u20132000");
  CHECK(normalize_answer("x\u2013the y") == "x\u2013 y");  // a dash that is no ASCII ends a word
  CHECK(normalize_answer("\u00c9COLE\u00a0the end") == "\u00e9cole end");
}

TEST_CASE("exact match and F1 take the best of the answers") {
  const std::vector<std::string> answers = {"Denver Broncos", "the Broncos"};
  CHECK(exact_match("Broncos.", answers));
  CHECK(!exact_match("Denver", answers));
  // "denver team" against "denver broncos": one shared word of two and two.
  CHECK(answer_f1("Denver team", answers) == Approx(0.5));
  CHECK(answer_f1("denver denver", std::vector<std::string>{"denver"}) == Approx(2.0 / 3));  // P 1/2, R 1
  CHECK(answer_f1("none", answers) == 0);
}

TEST_CASE("SQuAD's file") {
  const sesame::test::TempDir folder;
  const auto file = folder.write("dev.json", R"({"data": [{"title": "t", "paragraphs": [{"context": "c d", "qas": [
      {"id": "1", "question": "q?", "answers": [{"text": "c", "answer_start": 0}, {"text": "d", "answer_start": 2}]},
      {"id": "2", "question": "none?", "answers": []}]}]}], "version": "1.1"})");
  const auto examples = read_squad(file);
  REQUIRE(examples.size() == 1);
  CHECK(examples[0].context == "c d");
  CHECK(examples[0].answers == std::vector<std::string>{"c", "d"});
  CHECK_THROWS_AS(read_squad(folder.write("bad.json", "{\"data\": 3}")), sesame::Error);
  CHECK_THROWS_AS(read_squad(folder.path() / "none.json"), sesame::Error);
}
