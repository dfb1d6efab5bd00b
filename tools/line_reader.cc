#include "tools/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sesame/error.h"

namespace sesame::tools {

bool LineReader::input_is_waiting() const {
  pollfd request{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&request, 1, 0) > 0;
}

void LineReader::read_some() {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  char bytes[1 << 16];
  ssize_t count;
  do {
    count = read(fd_, bytes, sizeof bytes);
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw Error(std::string("standard input: ") + std::strerror(errno));
  at_end_ = count == 0;
  buffer_.append(bytes, static_cast<std::size_t>(count));
}

bool LineReader::take_line(std::string& line) {
  std::size_t end = buffer_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    if (!at_end_ || begin_ == buffer_.size()) return false;
    end = buffer_.size();
  }
  line.assign(buffer_, begin_, end - begin_);
  if (line.ends_with('\r')) line.pop_back();
  begin_ = scanned_ = std::min(end + 1, buffer_.size());
  return true;
}

std::vector<std::string> LineReader::next_batch(std::size_t most) {
  std::vector<std::string> lines;
  std::string line;
  while (lines.size() < most) {
    if (take_line(line)) {
      lines.push_back(std::move(line));
    } else if (at_end_ || (!lines.empty() && !input_is_waiting())) {
      break;
    } else {
      read_some();
    }
  }
  return lines;
}

}  // namespace sesame::tools
