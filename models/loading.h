// From a folder or file to a LoadedModel.
#pragma once

#include <filesystem>
#include <memory>

#include "models/model.h"

namespace sesame {

// What Model::load does. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> load_model(const std::filesystem::path& path, const ModelOptions& options);

// A model that computes `graph`, the one of the file at `path` with other outputs, operator by operator in fp32.
std::shared_ptr<const LoadedModel> load_graph(const std::filesystem::path& path, engine::Graph graph);

}  // namespace sesame
