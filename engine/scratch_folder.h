// A folder that goes away with what is in it. All in the header, so that tests of every room can use it.
#pragma once

#include <stdlib.h>  // mkdtemp

#include <filesystem>
#include <string>
#include <system_error>

#include "sesame/error.h"

namespace sesame::engine {

// Not copyable: it owns the folder.
class ScratchFolder {
 public:
  // A new folder in `parent`, whose name begins with `name`. Throws Error where none can be made.
  explicit ScratchFolder(const std::string& name,
                         const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string unique = (parent / (name + "XXXXXX")).string();
    if (::mkdtemp(unique.data()) == nullptr) throw Error(parent.string() + ": cannot be written to");
    path_ = unique;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sesame::engine
