// Runs the built `sesame` as its users do.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/files.h"

namespace sesame::tools {

struct Ran {
  int code = -1;    // exit status; 128 + the signal's number when one ended it
  std::string out;  // standard output
  std::string err;  // standard error

  std::vector<std::string> lines() const;       // of standard output
  std::vector<nlohmann::json> objects() const;  // each line parsed; throws where one is no JSON
  bool has_one_error_line() const;              // "sesame: ..." and nothing else on standard error
};

// Arguments are passed as they are, without a shell in between; `environment` is set in addition ("NAME=value").
Ran run_command(const std::vector<std::string>& arguments, const std::string& input = {},
                const std::vector<std::string>& environment = {});

// The same on a CPU that qemu-x86_64 (Debian's qemu-user) emulates, "Haswell" for one. Nothing where it isn't
// installed.
std::optional<Ran> run_command_on(const std::string& cpu, const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& environment = {});

// Writes a file below a folder, with the folders in between.
void write_below(const TemporaryFolder& folder, const std::string& name, const std::string& bytes);

// The bundled model.
inline const std::string kIntent = std::string(SESAME_SOURCE_DIR) + "/models/intent";

}  // namespace sesame::tools
