// Options that several commands share, so that they mean and say the same everywhere.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/tasks/task.h"
#include "sesame/sesame.h"

namespace sesame::tools {

inline constexpr int kMaxThreads = 1024;

// Accepts what parse_precision accepts; its message becomes bad usage.
CLI::Validator precision_validator();

// The required positional MODEL.
CLI::Option* add_model(CLI::App& command, std::string& model);

// The arguments in the order in which CLI::App::parse takes a vector: the last one first. The parser splits "[a,b]"
// into a and b; here such an argument is marked, and add_texts() takes the mark off.
std::vector<std::string> parser_arguments(int argc, char** argv);

// The positional TEXT ..., each taken exactly as given. The parser's arguments come from parser_arguments().
CLI::Option* add_texts(CLI::App& command, std::vector<std::string>& texts);

CLI::Option* add_precision(CLI::App& command, std::string& precision);
CLI::Option* add_attention(CLI::App& command, AttentionPrecision& attention);
CLI::Option* add_task(CLI::App& command, bench::TaskKind& task);
CLI::Option* add_threads(CLI::App& command, int& threads);

// An option with a comma-separated list of values in [1, most]; `values` holds the default.
template <class T>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<T>& values, const std::string& help,
                      T most) {
  return command.add_option(name, values, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(T{1}, most))
      ->type_name("N,...");
}

}  // namespace sesame::tools
