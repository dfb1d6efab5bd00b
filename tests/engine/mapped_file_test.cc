#include "engine/mapped_file.h"

#include <sys/stat.h>

#include <cstring>
#include <string>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::engine {

namespace {

std::string refusal(const std::filesystem::path& file) {
  return message_of<Error>([&] { MappedFile::open(file); });
}

TEST_CASE("A mapped file shows the file's bytes, also after they were released") {
  const TemporaryFolder folder;
  std::string content(100'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  const auto mapped = MappedFile::open(folder.write("data", content));
  REQUIRE(mapped->bytes().size() == content.size());
  CHECK(std::memcmp(mapped->bytes().data(), content.data(), content.size()) == 0);
  mapped->release(mapped->bytes());
  mapped->release(mapped->bytes().subspan(5, 10));
  CHECK(std::memcmp(mapped->bytes().data(), content.data(), content.size()) == 0);
}

TEST_CASE("What is not a file with content is refused by name") {
  const TemporaryFolder folder;
  CHECK(refusal(folder / "absent") == (folder / "absent").string() + ": no such file");
  CHECK(refusal(folder.path()) == folder.path().string() + ": expected a file, found a folder");
  CHECK(refusal(folder.write("empty", "")) == (folder / "empty").string() + ": empty file");
  CHECK(refusal("/dev/zero") == "/dev/zero: not a regular file");
}

TEST_CASE("A pipe is refused without waiting for a writer") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refusal(folder / "pipe") == (folder / "pipe").string() + ": not a regular file");
}

TEST_CASE("A file's name is printed on one line") { CHECK(refusal("/no\nsuch") == "/no?such: no such file"); }

}  // namespace

}  // namespace sesame::engine
