// Files for tests: a folder that goes away, and the shared material beside the repository.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "engine/scratch_folder.h"
#include "tests/catch.h"

namespace sesame {

// A folder of its own, removed with everything in it.
class TemporaryFolder {
 public:
  std::filesystem::path operator/(const std::string& name) const { return path() / name; }
  const std::filesystem::path& path() const { return folder_.path(); }

  // Writes a file and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path() / name, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
    return path() / name;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path()), std::filesystem::directory_iterator()));
  }

 private:
  engine::ScratchFolder folder_{"sesame-test-"};
};

inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// SESAME_SHARED, or `shared` beside the source folder; says which part a test skips where it is absent.
inline std::optional<std::filesystem::path> shared_material(const std::string& part) {
  const char* set = std::getenv("SESAME_SHARED");
  const std::filesystem::path root =
      set != nullptr ? std::filesystem::path(set) : std::filesystem::path(SESAME_SOURCE_DIR).parent_path() / "shared";
  if (std::filesystem::exists(root / part)) return root / part;
  WARN("skipped: no " << (root / part).string());
  return std::nullopt;
}

// The message of the Error that fn throws; fails when it throws none.
template <class E, class Fn>
std::string message_of(Fn&& fn) {
  try {
    fn();
  } catch (const E& error) {
    return error.what();
  }
  FAIL("expected an error");
  return {};
}

}  // namespace sesame
