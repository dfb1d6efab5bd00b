#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "kernels/isa.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/process.h"

namespace sesame::tools {
namespace {

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

constexpr const char* kExamples =
    "MODEL is a folder in the Hugging Face layout (config.json, tokenizer.json or vocab.txt, model.onnx or\n"
    "onnx/model.onnx), an .onnx file, or a packed model (.sesame).\n"
    "SESAME_ISA=scalar|avx2|avxvnni|avx512|avx512vnni|avx512bf16|amx lowers the instruction set;\n"
    "SESAME_ISA=amx-emulated runs AMX's kernels without AMX, slowly.\n\n"
    "Examples:\n"
    "  sesame predict models/intent \"what's my checking balance\"\n"
    "  sesame bench models/intent --precision fp32,int8 --data models/intent/eval.tsv\n"
    "  sesame bench --help\n";

// Messages from elsewhere may have several lines; ours has one.
int fail(std::string message, int code) {
  while (message.ends_with('\n')) message.pop_back();
  for (char& c : message) c = c == '\n' ? ' ' : c;
  std::cerr << "sesame: " << message << '\n';
  return code;
}

void add_commands(CLI::App& app, Command& chosen) {
  add_predict_command(app, chosen);
  add_tokenize_command(app, chosen);
  add_inspect_command(app, chosen);
  add_verify_command(app, chosen);
  add_bench_command(app, chosen);
  add_bench_peer_command(app, chosen);
  add_quantize_command(app, chosen);
  add_pack_command(app, chosen);
  add_make_model_command(app, chosen);
  add_cpu_command(app, chosen);
}

std::string command_names(CLI::App& app) {
  std::string names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App* it) { return !it->get_group().empty(); }))
    names += (names.empty() ? "" : ", ") + each->get_name();
  return names;
}

std::string usage_message(CLI::App& app, const CLI::ParseError& error, const std::string& first) {
  const auto parsed = app.get_subcommands();
  if (parsed.empty()) return "expected a command: " + command_names(app) + first + "; see sesame --help";
  return std::string(error.what()) + "; see sesame " + parsed[0]->get_name() + " --help";
}

int check_isa_request() {
  const auto requested = kernels::invalid_isa_request();
  if (!requested) return 0;
  std::string known;
  for (const kernels::Isa isa : kernels::kAllIsas) {
    known += (known.empty() ? "" : ", ") + std::string(kernels::name(isa));
  }
  return fail("SESAME_ISA: expected one of " + known + ", found '" + std::string(*requested) + "'", kBadUsage);
}

int run_chosen(const Command& chosen) {
  const int code = chosen();
  std::cout.flush();
  const bool is_printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!std::cout || !is_printed) return fail("standard output: could not be written", kFailure);
  return code;
}

int run(int argc, char** argv) {
  CLI::App app("Inference of BERT-family models on CPUs: text in, answer out, in fp32, bf16 and int8", "sesame");
  app.require_subcommand(1);
  app.footer(kExamples);
  Command chosen;
  add_commands(app, chosen);
  try {
    app.parse(parser_arguments(argc, argv));
    if (const int code = check_isa_request()) return code;
    return run_chosen(chosen);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const std::string first = argc > 1 ? ", found '" + std::string(argv[1]) + "'" : "";
    return fail(usage_message(app, error, first), kBadUsage);
  } catch (const UsageError& error) {
    return fail(error.what(), kBadUsage);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailure);
  }
}

}  // namespace
}  // namespace sesame::tools

int main(int argc, char** argv) {
  sesame::tools::restart_with_passive_waiting(argv);
  sesame::tools::die_quietly_on_closed_pipe();
  sesame::tools::fail_on_large_files();
  std::ios::sync_with_stdio(false);
  return sesame::tools::run(argc, argv);
}
