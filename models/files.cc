#include "models/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "sesame/error.h"

namespace sesame {
namespace {

// Tokenizer files are a few MiB; what is larger is no text file of ours and is refused before it fills the memory.
constexpr std::uintmax_t kMaxBytes = std::uintmax_t{1} << 30;

std::uintmax_t checked_size(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() != std::filesystem::file_type::regular) {
    throw Error(path.string() + ": expected a file, found " +
                (std::filesystem::is_directory(status) ? "a folder" : "something else"));
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw Error(path.string() + ": can't read it: " + error.message());
  if (size > kMaxBytes) {
    throw Error(path.string() + ": expected at most 1 GiB, found " + std::to_string(size) + " bytes");
  }
  return size;
}

}  // namespace

std::optional<std::string> FolderFiles::read(std::string_view name) const {
  const auto path = folder_ / name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  const auto size = checked_size(path);
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!in) throw Error(path.string() + ": can't read it: " + std::strerror(errno));
  return bytes;
}

std::string FolderFiles::label(std::string_view name) const { return (folder_ / name).string(); }

std::optional<std::string> MemoryFiles::read(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return std::nullopt;
  return found->second;
}

std::string MemoryFiles::label(std::string_view name) const { return origin_ + ": " + std::string(name); }

}  // namespace sesame
