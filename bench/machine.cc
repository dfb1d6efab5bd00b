#include "bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

#include "kernels/isa.h"
#include "kernels/parallel.h"

namespace sesame::bench {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;  // names itself
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The value of the first "key : value" line of /proc/cpuinfo with this key.
std::string cpuinfo(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos && colon + 2 <= line.size()) return line.substr(colon + 2);
  }
  return {};
}

std::size_t parse_kib(const std::string& size) {  // "48K", "260M"
  std::size_t number = 0;
  std::size_t digits = 0;
  while (digits < size.size() && std::isdigit(static_cast<unsigned char>(size[digits]))) {
    number = number * 10 + static_cast<std::size_t>(size[digits++] - '0');
  }
  return size.ends_with('M') ? number * 1024 : number;
}

std::vector<Cache> caches_of_first_core() {
  std::vector<Cache> caches;
  for (int i = 0;; ++i) {
    const std::filesystem::path index = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    std::string type = first_line(index / "type");
    const std::string level = first_line(index / "level");
    if (type.empty() || level.empty()) return caches;
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    caches.push_back({level[0] - '0', type, parse_kib(first_line(index / "size"))});
  }
}

std::string system_name() {
  utsname name{};
  if (uname(&name) != 0) return {};
  return std::string(name.sysname) + " " + name.release;
}

}  // namespace

Machine describe_machine() {
  Machine machine;
  machine.cpu = cpuinfo("model name");
  machine.cores = kernels::available_cores();
  machine.logical_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  for (const kernels::Isa isa : kernels::supported_isas()) machine.levels.emplace_back(kernels::name(isa));
  machine.isa = kernels::name(kernels::default_isa());
  machine.caches = caches_of_first_core();
  machine.memory_mib =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 0x1p20;
  machine.system = system_name();
  machine.compiler = kCompiler;
  return machine;
}

}  // namespace sesame::bench
