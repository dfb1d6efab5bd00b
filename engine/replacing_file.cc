#include "engine/replacing_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace fs = std::filesystem;

namespace {

fs::path name_beside(const fs::path& target) {
  static std::atomic<unsigned> count{0};
  fs::path beside = target;
  beside += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
  return beside;
}

}  // namespace

ReplacingFile::ReplacingFile(fs::path target) : target_(std::move(target)), beside_(name_beside(target_)) {
  std::error_code error;
  const fs::file_status status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw Error(printable(target_.string()) + ": cannot be replaced, not a regular file");
  }
  fd_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("cannot be written");
}

ReplacingFile::~ReplacingFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(beside_.c_str());
}

void ReplacingFile::fail(const char* what) const {
  throw Error(printable(target_.string()) + ": " + what + ": " + std::generic_category().message(errno));
}

void ReplacingFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    position_ += static_cast<std::uint64_t>(written);
  }
}

void ReplacingFile::pad_to(std::uint64_t alignment) {
  const std::uint64_t missing = (alignment - position_ % alignment) % alignment;
  write(std::string(static_cast<std::size_t>(missing), '\0'));
}

void ReplacingFile::commit() {
  if (::fsync(fd_) != 0) fail("cannot be written");
  if (::rename(beside_.c_str(), target_.c_str()) != 0) fail("cannot be put in place");
  ::close(fd_);
  fd_ = -1;
}

}  // namespace sesame::engine
