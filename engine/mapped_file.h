// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace sesame::engine {

using Bytes = std::span<const std::byte>;

// Shared by the tensors that are views of it; not copyable, since it owns the mapping. The file must not be cut short
// while it is mapped: the system then kills a process that reads beyond its end.
class MappedFile {
 public:
  // Throws Error, the file's name first: no such file, a folder, a device or pipe (never waits on one), an empty file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  Bytes bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the system that `part` is not needed for now, so that it no longer counts as memory of this process; it is
  // still there, and read again from the file when touched.
  void release(Bytes part) const;

 private:
  MappedFile(std::filesystem::path path, Bytes bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  Bytes bytes_;
};

}  // namespace sesame::engine
