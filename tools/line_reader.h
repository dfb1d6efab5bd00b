// Lines from a file descriptor, for a filter that works in batches without making its user wait.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sesame::tools {

class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  // Waits for at least one line and returns those that are there without waiting further, at most `most`. Empty at the
  // end of the input. Line ends (LF or CRLF) are taken off; a last line may lack its own. Throws Error when reading
  // fails.
  std::vector<std::string> next_batch(std::size_t most);

 private:
  bool take_line(std::string& line);
  bool input_is_waiting() const;
  void read_some();

  int fd_;
  bool at_end_ = false;
  std::string buffer_;
  std::size_t begin_ = 0;    // of what is not taken yet
  std::size_t scanned_ = 0;  // up to here there is no line end
};

}  // namespace sesame::tools
