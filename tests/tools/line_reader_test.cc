#include "tools/line_reader.h"

#include <unistd.h>

#include <string>

#include "sesame/error.h"
#include "tests/catch.h"

using sesame::tools::LineReader;
using Lines = std::vector<std::string>;

namespace {

// Both ends of a pipe.
class Pipe {
 public:
  Pipe() { REQUIRE(pipe(ends_) == 0); }
  ~Pipe() {
    close(ends_[0]);
    close_writer();
  }
  int reader() const { return ends_[0]; }
  void write(const std::string& bytes) {
    REQUIRE(::write(ends_[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void close_writer() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace

TEST_CASE("lines that are there come together, at most as many as asked for") {
  Pipe pipe;
  pipe.write("a\nb\r\n\nd\n");
  LineReader reader(pipe.reader());
  CHECK(reader.next_batch(3) == Lines{"a", "b", ""});
  CHECK(reader.next_batch(3) == Lines{"d"});  // the writer is still open: no waiting for more
}

TEST_CASE("a line that is not whole yet is not waited for once there is one") {
  Pipe pipe;
  pipe.write("whole\nhal");
  LineReader reader(pipe.reader());
  CHECK(reader.next_batch(8) == Lines{"whole"});
  pipe.write("f\n");
  CHECK(reader.next_batch(8) == Lines{"half"});
}

TEST_CASE("the last line may lack its end, and after it there is nothing") {
  Pipe pipe;
  pipe.write("a\nlast");
  pipe.close_writer();
  LineReader reader(pipe.reader());
  CHECK(reader.next_batch(8) == Lines{"a", "last"});
  CHECK(reader.next_batch(8).empty());
}

TEST_CASE("an empty input has no lines, a lone line end has one empty line") {
  Pipe empty;
  empty.close_writer();
  CHECK(LineReader(empty.reader()).next_batch(8).empty());
  Pipe one;
  one.write("\n");
  one.close_writer();
  LineReader reader(one.reader());
  CHECK(reader.next_batch(8) == Lines{""});
  CHECK(reader.next_batch(8).empty());
}

TEST_CASE("an unreadable input is an error") { CHECK_THROWS_AS(LineReader(-1).next_batch(1), sesame::Error); }
