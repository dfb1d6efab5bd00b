// From a folder or file to a LoadedModel.
#pragma once

#include <filesystem>
#include <memory>

#include "models/model.h"

namespace sesame {

// What becomes of a node that there is no step for.
enum class MissingOperators {
  refused,    // loading throws an Error that names the node, its operator, domain and version
  described,  // it is reported as unfused, and the rest loaded: the model can be looked at and not run
};

// What Model::load does. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> load_model(const std::filesystem::path& path, const ModelOptions& options,
                                              MissingOperators missing = MissingOperators::refused);

}  // namespace sesame
