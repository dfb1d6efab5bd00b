// Where figures come from, so that they can be made again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sesame::bench {

struct ModelFile {
  std::string path;  // as given
  double mib = 0;    // of the .onnx file and what it refers to
  std::string hash;  // FNV-1a of the .onnx file, 64 bits, in hexadecimal
};

struct Provenance {
  std::string command;   // as it was given
  std::string commit;    // of the sources, "+" behind it where they were changed; empty outside a repository
  std::string version;   // of sesame
  std::string affinity;  // CPUs that the process may use, "0-1"
  std::string governor;  // of the clock; empty where the system does not tell
  std::vector<ModelFile> models;
};

Provenance describe_provenance(const std::string& command, const std::vector<std::filesystem::path>& models);

std::string hash_file(const std::filesystem::path& file);  // throws Error

}  // namespace sesame::bench
