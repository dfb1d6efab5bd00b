#include "models/eval/entities.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame::models;
using Tags = std::vector<std::string>;

TEST_CASE("entities of IOB2, IOB1 and IOBES") {
  using Found = std::vector<Entity>;
  CHECK(entities(Tags{"B-PER", "I-PER", "O", "B-LOC"}) == Found{{"PER", 0, 2}, {"LOC", 3, 4}});
  CHECK(entities(Tags{"I-PER", "I-PER", "B-PER", "I-LOC"}) == Found{{"PER", 0, 2}, {"PER", 2, 3}, {"LOC", 3, 4}});
  CHECK(entities(Tags{"S-PER", "B-LOC", "E-LOC", "I-LOC"}) == Found{{"PER", 0, 1}, {"LOC", 1, 3}, {"LOC", 3, 4}});
  CHECK(entities(Tags{"O", "O"}).empty());
}

TEST_CASE("the score of entities, worked out by hand") {
  // Expected 3 entities; predicted 3, of which PER 0-2 and the second sentence's LOC are right and ORG is cut short.
  const std::vector<Tags> expected = {{"B-PER", "I-PER", "O", "B-ORG", "I-ORG"}, {"B-LOC"}};
  const std::vector<Tags> predicted = {{"B-PER", "I-PER", "O", "B-ORG", "O"}, {"B-LOC"}};
  const EntityScore score = score_entities(predicted, expected);
  CHECK(score.precision == Approx(2.0 / 3));
  CHECK(score.recall == Approx(2.0 / 3));
  CHECK(score.f1 == Approx(2.0 / 3));
  const std::vector<Tags> nothing = {{"O", "O", "O", "O", "O"}, {"O"}};
  CHECK(score_entities(nothing, expected).f1 == 0);
}

TEST_CASE("CoNLL's file: sentences end at empty lines, documents' marks are skipped") {
  const sesame::test::TempDir folder;
  const auto file = folder.write("a.conll", "-DOCSTART- -X- O O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter\tB-PER\n");
  const auto sentences = read_conll(file);
  REQUIRE(sentences.size() == 2);
  CHECK(sentences[0].words == Tags{"EU", "rejects"});
  CHECK(sentences[0].tags == Tags{"B-ORG", "O"});
  CHECK(sentences[1].tags == Tags{"B-PER"});
  CHECK_THROWS_WITH(read_conll(folder.write("b.conll", "word\n")), Catch::Contains("b.conll:1"));
}
