// A model's folder that is complete when it is there.
#pragma once

#include <filesystem>
#include <optional>

#include "engine/scratch_folder.h"

namespace sesame::models {

// A folder inside `target` where files are written before they are moved up into it. What is left of it is removed, and
// a `target` made here as well while it is empty. Not copyable: it owns the folder.
class StagedFolder {
 public:
  // Throws Error when `target` is a file or can't be written to.
  explicit StagedFolder(const std::filesystem::path& target);
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  ~StagedFolder();

  const std::filesystem::path& path() const { return stage_->path(); }

  // Moves every file up, `main` last, after the one before it and its external data have gone. Throws
  // std::filesystem::filesystem_error.
  void publish(const std::filesystem::path& main);

 private:
  std::filesystem::path target_;
  std::optional<engine::ScratchFolder> stage_;
  bool made_target_ = false;
};

}  // namespace sesame::models
