#include "bench/studies/study.h"

#include "bench/studies/csv.h"
#include "tests/catch.h"

using namespace sesame::bench;

TEST_CASE("CSV: quotes, doubled quotes, commas and line ends") {
  const auto rows = parse_csv("a,\"b,c\",\"say \"\"x\"\"\"\r\n\nd,,\n");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == std::vector<std::string>{"a", "b,c", "say \"x\""});
  CHECK(rows[1] == std::vector<std::string>{"d", "", ""});
}

TEST_CASE("published figures are compiled in, without their heading") {
  const auto rows = published_rows("intent_study");
  REQUIRE(rows.size() == 6);
  CHECK(rows[5] == std::vector<std::string>{"Distillation + ORT (dynamic int8)", "185.71", "6.95", "4.75", "0.875"});
  const auto grid = published_rows("optimum_distilbert_sst2");
  REQUIRE(grid.size() == 34);
  for (const auto& row : grid) CHECK(row.size() == 15);
  for (const auto& row : published_rows("neural_compressor")) CHECK(row.size() == 10);
}

TEST_CASE("a study has a name; another is refused with the names that there are") {
  CHECK(find_study("per-batch").run != nullptr);
  try {
    find_study("no-such-study");
    FAIL("expected an error");
  } catch (const sesame::Error& error) {
    CHECK(std::string(error.what()).find("per-batch") != std::string::npos);
  }
}

TEST_CASE("a study's threads are the published ones as far as the machine has cores") {
  Machine machine;
  machine.cores = 8;
  std::vector<std::string> notes;
  CHECK(study_threads({}, machine, 4, notes) == 4);
  CHECK(notes.empty());
  machine.cores = 2;
  CHECK(study_threads({}, machine, 4, notes) == 2);
  CHECK(notes.size() == 1);
  StudyOptions options;
  options.threads = 3;
  CHECK(study_threads(options, machine, 4, notes) == 3);
}

TEST_CASE("a table as text and as Markdown") {
  const Table table{.columns = {"name", "ms"}, .rows = {{"a|b", "1.5"}, {"c", ""}}, .left = 1};
  CHECK(to_text(table) == "name   ms\na|b   1.5\nc       -\n");
  CHECK(to_markdown(table) == "| name | ms |\n|---|---:|\n| a\\|b | 1.5 |\n| c |  |\n");
}
