// From a folder or file to a LoadedModel.
#pragma once

#include <filesystem>
#include <memory>

#include "models/model.h"

namespace sesame {

// What Model::load does. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> load_model(const std::filesystem::path& path, const ModelOptions& options);

}  // namespace sesame
