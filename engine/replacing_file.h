// A file that takes the place of another one when it is complete, and not before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "engine/mapped_file.h"

namespace sesame::engine {

// Writes to a new file beside `target`; commit() renames it. Without commit() the new file is removed and whatever was
// at `target` is untouched. Not copyable: it owns the descriptor. Errors name the target.
class ReplacingFile {
 public:
  // Throws Error when the folder cannot be written to, or when `target` is something else than a regular file.
  explicit ReplacingFile(std::filesystem::path target);
  ~ReplacingFile();
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  void write(Bytes bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // Zeros up to the next multiple of `alignment`.
  void pad_to(std::uint64_t alignment);
  std::uint64_t position() const { return position_; }

  // Puts the bytes on the disk and the file in place.
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path target_;
  std::filesystem::path beside_;
  int fd_ = -1;
  std::uint64_t position_ = 0;
};

}  // namespace sesame::engine
