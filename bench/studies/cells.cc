#include "bench/studies/cells.h"

namespace sesame::bench {

std::string this_machine(const Machine& machine) {
  return machine.cpu.empty() ? "this machine" : machine.cpu + ", this machine";
}

std::string engine_name(const Result& result) {
  return result.engine + " " + result.precision + (result.format.empty() ? "" : " " + result.format);
}

const Result* find_result(const std::vector<Result>& results, const std::string& engine, const std::string& precision,
                          const std::string& format) {
  for (const Result& each : results) {
    if (each.engine == engine && each.precision == precision && each.format == format) return &each;
  }
  return nullptr;
}

std::string percent_cell(const std::optional<double>& share, int digits) {
  return share ? fixed(*share * 100, digits) + " %" : std::string();
}

}  // namespace sesame::bench
