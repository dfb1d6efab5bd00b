// What tests of several rooms need: the shared test data, and folders that go away.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/scratch_folder.h"

namespace sesame::test {

// The folder of shared test data: what SESAME_SHARED names, else ../shared beside the sources. Nothing where there is
// none; a test that needs it then says by name what it skips.
std::optional<std::filesystem::path> shared_dir();

// shared_dir()/relative when that exists; otherwise nothing, and the running test warns that it skips `relative`.
std::optional<std::filesystem::path> shared_path(std::string_view relative);

// An empty folder of its own below the system's temporary one, removed with all its content at the end.
class TempDir {
 public:
  const std::filesystem::path& path() const { return folder_.path(); }

  // Writes a file and returns its path. Missing folders are made.
  std::filesystem::path write(std::string_view name, std::string_view bytes) const;

 private:
  engine::ScratchFolder folder_{"sesame-test-"};
};

// The bytes of a file. Throws std::runtime_error.
std::string read_bytes(const std::filesystem::path& path);

}  // namespace sesame::test
