#include <iostream>
#include <memory>

#include "bench/machine.h"
#include "bench/report.h"
#include "tools/commands.h"

namespace sesame::tools {
namespace {

int run_cpu(bool json) {
  const bench::Machine machine = bench::describe_machine();
  const bench::Peaks peaks = bench::measure_peaks();
  if (json) {
    std::cout << bench::machine_json(machine, peaks) << '\n';
  } else {
    std::cout << bench::machine_text(machine, peaks);
  }
  return 0;
}

}  // namespace

void add_cpu_command(CLI::App& app, Command& chosen) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("cpu", "Instruction set levels found and used; measured peaks");
  command->add_flag("--json", *json, "Print JSON");
  command->footer(
      "Peaks are what one core does at best, in 10^9 multiply-adds a second; - where the level has no kernel.\n\n"
      "Examples:\n"
      "  sesame cpu\n"
      "  SESAME_ISA=avx2 sesame cpu --json\n");
  command->callback([json, &chosen] { chosen = [json] { return run_cpu(*json); }; });
}

}  // namespace sesame::tools
