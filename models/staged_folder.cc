#include "models/staged_folder.h"

#include <string>
#include <system_error>
#include <vector>

#include "sesame/error.h"

namespace sesame::models {

namespace fs = std::filesystem;

StagedFolder::StagedFolder(const fs::path& target) : target_(target.has_filename() ? target : target.parent_path()) {
  if (target_.empty()) throw Error("folder: expected a path, found nothing");
  if (fs::exists(target_) && !fs::is_directory(target_)) {
    throw Error(target_.string() + ": expected a folder, found a file");
  }
  made_target_ = fs::create_directories(target_);
  stage_.emplace(".partial-", target_);
}

StagedFolder::~StagedFolder() {
  stage_.reset();
  std::error_code ignored;
  if (made_target_) fs::remove(target_, ignored);  // which does nothing to a folder that holds files
}

void StagedFolder::publish(const fs::path& main) {
  fs::remove(target_ / main);
  fs::remove(target_ / (main.string() + ".data"));
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(path())) {
    if (entry.path().filename() != main) names.push_back(entry.path().filename());
  }
  names.push_back(main);
  for (const fs::path& name : names) fs::rename(path() / name, target_ / name);
}

}  // namespace sesame::models
