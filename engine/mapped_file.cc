#include "engine/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw Error(printable(file.string()) + ": " + why);
}

[[noreturn]] void refuse_errno(const std::filesystem::path& file, const char* what) {
  const int error = errno;
  if (error == ENOENT) refuse(file, "no such file");
  refuse(file, std::string(what) + ": " + std::generic_category().message(error));
}

void check_kind(const std::filesystem::path& file, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) refuse(file, "expected a file, found a folder");
  if (!S_ISREG(status.st_mode)) refuse(file, "not a regular file");
  if (status.st_size == 0) refuse(file, "empty file");
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& file) {
  // Looked at before it is opened, since opening a device may do something, and again after, since it may have changed.
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) refuse_errno(file, "cannot read");
  check_kind(file, status);
  const FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) refuse_errno(file, "cannot open");
  if (::fstat(fd.get(), &status) != 0) refuse_errno(file, "cannot read");
  check_kind(file, status);

  const auto size = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) refuse_errno(file, "cannot map");
  const Bytes bytes(static_cast<const std::byte*>(memory), size);
  try {
    return std::shared_ptr<const MappedFile>(new MappedFile(file, bytes));
  } catch (...) {
    ::munmap(memory, size);
    throw;
  }
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

void MappedFile::release(Bytes part) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t last = (begin + part.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace sesame::engine
