#include "engine/onnx_external.h"

#include <algorithm>
#include <system_error>

#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace fs = std::filesystem;

namespace {

bool is_inside(const fs::path& file, const fs::path& folder) {
  const auto [end_of_folder, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return end_of_folder == folder.end() && rest != file.end();
}

[[noreturn]] void refuse_outside(const std::string& location) {
  throw Error("external data outside the model folder refused: '" + printable(location) +
              "' is not a regular file inside the model folder");
}

// Whether the words alone lead out of the folder, whatever is there.
bool leads_out(const fs::path& location) {
  const fs::path plain = location.lexically_normal();
  return location.is_absolute() || plain.empty() || *plain.begin() == "..";
}

}  // namespace

ExternalFiles::ExternalFiles(const fs::path& model) {
  const fs::path parent = model.parent_path();
  std::error_code error;
  folder_ = fs::canonical(parent.empty() ? fs::path(".") : parent, error);
  if (!error) allowed_.push_back(folder_);
  const fs::path real = fs::canonical(model, error);
  if (!error) allowed_.push_back(real.parent_path());
}

ExternalFiles::Part ExternalFiles::read(const ExternalData& data, std::uint64_t bytes) {
  auto file = open(data.location);
  const std::uint64_t size = file->bytes().size();
  const std::string name = "external data file " + printable(data.location);
  if (data.length && *data.length != bytes) {
    throw Error(name + ": expected " + std::to_string(bytes) + " bytes, its length says " +
                std::to_string(*data.length));
  }
  if (data.offset > size || bytes > size - data.offset) {
    throw Error(name + ": expected " + std::to_string(bytes) + " bytes at offset " + std::to_string(data.offset) +
                ", the file has " + std::to_string(size));
  }
  const Bytes part = file->bytes().subspan(static_cast<std::size_t>(data.offset), static_cast<std::size_t>(bytes));
  return {std::move(file), part};
}

std::shared_ptr<const MappedFile> ExternalFiles::open(const std::string& location) {
  if (const auto it = open_.find(location); it != open_.end()) return it->second;
  if (location.empty()) throw Error("external data without a location");
  if (location.find('\0') != location.npos || leads_out(location)) refuse_outside(location);

  std::error_code error;
  const fs::path real = fs::canonical(folder_ / location, error);
  if (error) throw Error("external data file " + printable(location) + " not found");
  if (std::none_of(allowed_.begin(), allowed_.end(), [&](const auto& folder) { return is_inside(real, folder); })) {
    refuse_outside(location);
  }
  if (!fs::is_regular_file(real, error)) {
    throw Error("external data file " + printable(location) + " is not a regular file inside the model folder");
  }
  auto file = MappedFile::open(real);
  open_.emplace(location, file);
  return file;
}

}  // namespace sesame::engine
