// See readme_example.cc.
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>

#include "tests/catch.h"
#include "tests/files.h"

int readme_main();

namespace {

const std::filesystem::path kSource = SESAME_SOURCE_DIR;

// Runs fn in a folder, and goes back.
template <class Fn>
void in_folder(const std::filesystem::path& folder, const Fn& fn) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  fn();
  std::filesystem::current_path(before);
}

// What fn prints on std::cout.
template <class Fn>
std::string printed_by(const Fn& fn) {
  std::ostringstream text;
  std::streambuf* before = std::cout.rdbuf(text.rdbuf());
  fn();
  std::cout.rdbuf(before);
  return text.str();
}

}  // namespace

TEST_CASE("the README shows the example that is compiled here") {
  const std::string source = sesame::content_of(kSource / "tests/models/readme_example.cc");
  const std::string begin = "// README begins\n";
  const std::size_t from = source.find(begin);
  const std::size_t to = source.find("// README ends");
  REQUIRE(from != std::string::npos);
  REQUIRE(to != std::string::npos);
  const std::string example = source.substr(from + begin.size(), to - from - begin.size());
  CHECK(sesame::content_of(kSource / "README.md").find("```cpp\n" + example + "```\n") != std::string::npos);
}

TEST_CASE("the README's example prints what the README says") {
  std::string printed;
  in_folder(kSource, [&] { printed = printed_by(readme_main); });
  std::istringstream lines(printed);
  std::string label;
  double score = 0;
  REQUIRE(lines >> label >> score);
  CHECK(label == "balance");
  REQUIRE(lines >> label >> score);
  CHECK(label == "alarm");
}
