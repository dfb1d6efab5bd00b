#include "bench/provenance.h"

#include <cstdint>
#include <cstdio>
#include <fstream>

#include "bench/affinity.h"
#include "bench/commit.h"
#include "bench/engines/sesame_contestant.h"
#include "models/model_location.h"
#include "sesame/error.h"

namespace sesame::bench {
namespace {

namespace fs = std::filesystem;

// "0-3,8"
std::string ranges_of(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[i]);
    if (end - i > 1) text += '-' + std::to_string(cpus[end - 1]);
    i = end;
  }
  return text;
}

ModelFile describe_file(const fs::path& path) {
  ModelFile file{.path = path.string(), .mib = 0, .hash = {}};
  const fs::path onnx = locate_model(path).onnx;
  file.hash = hash_file(onnx);
  double bytes = static_cast<double>(fs::file_size(onnx));
  for (const char* suffix : {".data", "_data"}) {
    const fs::path external = onnx.string() + suffix;
    if (fs::exists(external)) bytes += static_cast<double>(fs::file_size(external));
  }
  file.mib = bytes / 0x1p20;
  return file;
}

}  // namespace

std::string hash_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(file.string() + ": could not be read");
  std::uint64_t hash = 0xcbf29ce484222325;
  std::string chunk(1 << 20, '\0');
  while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0) {
    for (const char c : std::string_view(chunk).substr(0, static_cast<std::size_t>(in.gcount()))) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

Provenance describe_provenance(const std::string& command, const std::vector<fs::path>& models) {
  Provenance provenance{.command = command,
                        .commit = SESAME_COMMIT,
                        .version = sesame_version(),
                        .affinity = ranges_of(allowed_cpus()),
                        .governor = {},
                        .models = {}};
  std::ifstream governor("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::getline(governor, provenance.governor);
  for (const auto& each : models) provenance.models.push_back(describe_file(each));
  return provenance;
}

}  // namespace sesame::bench
