// Where a model's text files come from: a folder in the Hugging Face layout, or a packed model's sections.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sesame {

// Named files, read when they are asked for. Const and safe to share.
class FileSet {
 public:
  virtual ~FileSet() = default;

  // The file's bytes, or nothing when there is no such file. Throws Error when there is one that can't be read.
  virtual std::optional<std::string> read(std::string_view name) const = 0;

  // What errors call the file.
  virtual std::string label(std::string_view name) const = 0;
};

class FolderFiles final : public FileSet {
 public:
  explicit FolderFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::optional<std::string> read(std::string_view name) const override;
  std::string label(std::string_view name) const override;

 private:
  std::filesystem::path folder_;
};

class MemoryFiles final : public FileSet {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;
  MemoryFiles(std::string origin, Map files) : origin_(std::move(origin)), files_(std::move(files)) {}
  std::optional<std::string> read(std::string_view name) const override;
  std::string label(std::string_view name) const override;

 private:
  std::string origin_;
  Map files_;
};

}  // namespace sesame
