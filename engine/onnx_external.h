// Tensors whose data is in other files than the model's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/mapped_file.h"

namespace sesame::engine {

// Where a tensor's data is, as its external_data says.
struct ExternalData {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
};

// What resolves external data.
class ExternalSource {
 public:
  virtual ~ExternalSource() = default;

  struct Part {
    std::shared_ptr<const MappedFile> file;
    Bytes bytes;
  };
  // The `bytes` bytes that `data` points at. Throws Error.
  virtual Part read(const ExternalData& data, std::uint64_t bytes) = 0;
};

// Maps each file once. A model may come from anybody, so files are taken from its own folder only: the folder that the
// model's path names, or the one that it is in after symbolic links are followed (a Hugging Face cache links the model
// and its data into one folder of blobs). Links that lead out of both are refused.
class ExternalFiles final : public ExternalSource {
 public:
  explicit ExternalFiles(const std::filesystem::path& model);

  Part read(const ExternalData& data, std::uint64_t bytes) override;

 private:
  std::shared_ptr<const MappedFile> open(const std::string& location);

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> allowed_;
  std::map<std::string, std::shared_ptr<const MappedFile>> open_;  // by location
};

}  // namespace sesame::engine
