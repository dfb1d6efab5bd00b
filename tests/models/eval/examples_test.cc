#include "models/eval/examples.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame::models;
using sesame::test::TempDir;

TEST_CASE("MRPC's heading names the columns") {
  const TempDir folder;
  const auto data =
      read_examples(folder.write("dev.tsv", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tone\ttwo\n"));
  REQUIRE(data.examples.size() == 1);
  CHECK(data.kind == ExampleKind::classes);
  CHECK(data.examples[0].text == "one");
  CHECK(data.examples[0].pair == "two");
  CHECK(data.examples[0].label == "1");
}

TEST_CASE("CoLA has four columns and no heading") {
  const TempDir folder;
  const auto data =
      read_examples(folder.write("dev.tsv", "gj04\t1\t\tThe sailors rode the breeze.\ngj04\t0\t*\tbad it is\n"));
  CHECK(data.kind == ExampleKind::acceptability);
  REQUIRE(data.examples.size() == 2);
  CHECK(data.examples[1].label == "0");
  CHECK(data.examples[1].text == "bad it is");
  CHECK(!data.examples[1].pair);
}

TEST_CASE("the STS benchmark, with and without a heading") {
  const TempDir folder;
  const auto plain = read_examples(folder.write("a.tsv", "news\tf\t2012\t1\t4.75\tone\ttwo\n"));
  CHECK(plain.kind == ExampleKind::similarity);
  CHECK(plain.examples[0].label == "4.75");
  CHECK(plain.examples[0].pair == "two");
  const auto glue =
      read_examples(folder.write("b.tsv", "index\tgenre\tsentence1\tsentence2\tscore\n0\tx\tone\ttwo\t3.2\n"));
  CHECK(glue.kind == ExampleKind::similarity);
  CHECK(glue.examples[0].text == "one");
  CHECK_THROWS_WITH(read_examples(folder.write("c.tsv", "sentence1\tsentence2\tscore\na\tb\tmuch\n")),
                    Catch::Contains("c.tsv:2"));
}

TEST_CASE("three columns are a pair, two a text") {
  const TempDir folder;
  const auto pairs = read_examples(folder.write("a.tsv", "one\ttwo\tyes\nthree\tfour\tno\n"));
  CHECK(pairs.examples[1].pair == "four");
  CHECK(pairs.examples[1].label == "no");
  const auto texts = read_examples(folder.write("b.tsv", "sentence\tlabel\nfine\t1\n"));
  REQUIRE(texts.examples.size() == 1);
  CHECK(!texts.examples[0].pair);
  CHECK_THROWS_WITH(read_examples(folder.write("c.tsv", "sentence1\tsentence2\tlabel\na\tb\tc\nd\n")),
                    Catch::Contains("c.tsv:3"));
  CHECK_THROWS_AS(read_examples(folder.path() / "none.tsv"), sesame::Error);
}
