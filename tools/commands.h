// The subcommands of `sesame`: one file each, tools/<name>.cc.
//
// A function below adds one subcommand with its options and examples to the parser. When the user has chosen that
// subcommand, its callback stores the work in `chosen`, and main runs it after parsing:
//
//   void add_cpu_command(CLI::App& app, Command& chosen) {
//     auto options = std::make_shared<CpuOptions>();
//     CLI::App* command = app.add_subcommand("cpu", "Levels found and used, measured peaks");
//     command->add_flag("--json", options->json, "Print JSON");
//     command->footer("Examples:\n  sesame cpu\n");
//     command->callback([options, &chosen] { chosen = [options] { return run_cpu(*options); }; });
//   }
//
// The work returns the exit code: 0, or 1 for a failure that it has reported. It may throw: main prints one line and
// exits with 1 for sesame::Error and any other std::exception, with 2 for UsageError.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>

namespace sesame::tools {

using Command = std::function<int()>;

// Bad usage that the parser could not see: one line that says what to write instead.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void add_predict_command(CLI::App& app, Command& chosen);
void add_tokenize_command(CLI::App& app, Command& chosen);
void add_inspect_command(CLI::App& app, Command& chosen);
void add_verify_command(CLI::App& app, Command& chosen);
void add_bench_command(CLI::App& app, Command& chosen);
void add_bench_peer_command(CLI::App& app, Command& chosen);  // not for people: not listed
void add_cpu_command(CLI::App& app, Command& chosen);
void add_make_model_command(CLI::App& app, Command& chosen);
void add_quantize_command(CLI::App& app, Command& chosen);
void add_pack_command(CLI::App& app, Command& chosen);

}  // namespace sesame::tools
