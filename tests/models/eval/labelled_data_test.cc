#include "models/eval/labelled_data.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

using namespace sesame::models;

TEST_CASE("TSV: text, TAB, label; a heading, CRLF and empty lines are no examples") {
  const sesame::TemporaryFolder folder;
  const auto file = folder.write("data.tsv", "sentence\tlabel\r\nfine film\t1\r\n\nwith a\ttab inside\t0\n");
  const auto data = read_labelled_texts(file);
  REQUIRE(data.size() == 2);
  CHECK(data[0].text == "fine film");
  CHECK(data[0].label == "1");
  CHECK(data[1].text == "with a\ttab inside");
}

TEST_CASE("TSV: a line without a label is named by its number") {
  const sesame::TemporaryFolder folder;
  const auto file = folder.write("data.tsv", "fine\tgood\nno label here\n");
  try {
    read_labelled_texts(file);
    FAIL("expected an error");
  } catch (const sesame::Error& error) {
    CHECK(std::string(error.what()).find(".tsv:2: ") != std::string::npos);
  }
}

TEST_CASE("CLINC150: the test part, then what is out of scope") {
  const sesame::TemporaryFolder folder;
  const auto file =
      folder.write("data.json", R"({"train": [["x", "y"]], "test": [["a b", "greet"]], "oos_test": [["c", "oos"]]})");
  const auto data = read_labelled_texts(file);
  REQUIRE(data.size() == 2);
  CHECK(data[0].text == "a b");
  CHECK(data[0].label == "greet");
  CHECK(data[1].label == kOutOfScope);
}

TEST_CASE("CLINC150: other JSON is refused") {
  for (const char* text : {"", "[]", "{}", "{\"test\": 1}", "{\"test\": [[1, 2]], \"oos_test\": []}",
                           "{\"test\": [], \"oos_test\": []}", "{\"test\": [[\"a\"]], \"oos_test\": []}"}) {
    const sesame::TemporaryFolder folder;
    const auto file = folder.write("data.json", text);
    CHECK_THROWS_AS(read_labelled_texts(file), sesame::Error);
  }
}

TEST_CASE("a missing file and a folder are refused") {
  CHECK_THROWS_AS(read_labelled_texts("/no/such/file.tsv"), sesame::Error);
  CHECK_THROWS_AS(read_labelled_texts(std::filesystem::temp_directory_path()), sesame::Error);
}

TEST_CASE("labels are found by name, or by index where none is a name") {
  const std::vector<std::string> labels = {"bad", "good"};
  const std::vector<LabelledText> named = {{"x", "good"}, {"y", "bad"}};
  CHECK(label_indices(named, labels) == std::vector<std::size_t>{1, 0});
  const std::vector<LabelledText> numbered = {{"x", "0"}, {"y", "1"}};
  CHECK(label_indices(numbered, labels) == std::vector<std::size_t>{0, 1});
}

TEST_CASE("a label that the model does not have is refused") {
  const std::vector<std::string> labels = {"bad", "good"};
  for (const char* label : {"2", "-1", "1x", "great"}) {
    const std::vector<LabelledText> data = {{"x", label}};
    CHECK_THROWS_AS(label_indices(data, labels), sesame::Error);
  }
  const std::vector<LabelledText> mixed = {{"x", "good"}, {"y", "0"}};
  CHECK_THROWS_AS(label_indices(mixed, labels), sesame::Error);
}
