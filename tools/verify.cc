#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/conformance.h"
#include "tools/options.h"

namespace sesame::tools {
namespace {

struct VerifyOptions {
  std::vector<std::string> folders;
  std::string precision = "auto";
  ConformanceOptions conformance;
  bool json = false;
};

constexpr const char* kExamples =
    "A case is a folder with model.onnx and test_data_set_N/{input,output}_I.pb, as in ONNX's own tests; folders are\n"
    "searched to any depth. A float passes when |got - want| <= atol + rtol * max|want|, everything else when it is\n"
    "equal. A case without data sets passes when it runs on made-up inputs.\n\n"
    "Examples:\n"
    "  sesame verify my-export\n"
    "  sesame verify onnx/backend/test/data/node --json\n"
    "  SESAME_ISA=avx2 sesame verify my-export --rtol 1e-5\n";

std::string scientific(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", x);
  return text;
}

std::string to_line(const CaseResult& result) {
  std::string line = (result.passed ? "PASS  " : "FAIL  ") + result.folder.string();
  if (!result.reason.empty()) line += "  " + result.reason;
  if (!result.place.empty()) {
    line +=
        "  worst error " + scientific(result.worst_error) + " of " + scientific(result.allowed) + " at " + result.place;
  } else if (result.passed) {
    line += result.data_sets == 0 ? "  runs; no data sets" : "  equal";
  }
  return line;
}

nlohmann::ordered_json to_json(const CaseResult& result) {
  nlohmann::ordered_json json = {
      {"case", result.folder.string()}, {"passed", result.passed}, {"data_sets", result.data_sets}};
  if (!result.reason.empty()) json["reason"] = result.reason;
  if (!result.place.empty()) {
    json["worst_error"] = result.worst_error;  // null where it is NaN
    json["allowed"] = result.allowed;
    json["place"] = result.place;
  }
  return json;
}

std::vector<CaseResult> run_folder(const std::string& folder, const ConformanceOptions& options,
                                   const std::function<void(const CaseResult&)>& report) {
  std::vector<CaseResult> results;
  const auto add = [&](CaseResult result) {
    report(result);
    results.push_back(std::move(result));
  };
  try {
    const auto cases = find_cases(folder);
    if (cases.empty()) add({.folder = folder, .reason = "expected at least one folder with a model.onnx, found none"});
    for (const auto& each : cases) add(run_case(each, options));
  } catch (const std::exception& error) {  // of the search: a folder that is not there or can't be read
    add({.folder = folder, .reason = error.what()});
  }
  return results;
}

int run_verify(VerifyOptions options) {
  options.conformance.precision = parse_precision(options.precision);
  const auto report = [&](const CaseResult& result) {
    if (!options.json) std::cout << to_line(result) << std::endl;  // at once: a case may take long
  };
  nlohmann::ordered_json cases = nlohmann::ordered_json::array();
  std::size_t passed = 0;
  for (const std::string& folder : options.folders) {
    for (const CaseResult& each : run_folder(folder, options.conformance, report)) {
      passed += each.passed;
      cases.push_back(to_json(each));
    }
  }
  const std::size_t failed = cases.size() - passed;
  if (options.json) {
    const nlohmann::ordered_json summary = {{"cases", cases}, {"passed", passed}, {"failed", failed}};
    std::cout << summary.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    std::cout << passed << " passed, " << failed << " failed\n";
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_verify_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand("verify", "Compare models with expected outputs, in ONNX's test layout");
  command->add_option("DIR", options->folders, "Folders to search for cases")->required();
  add_precision(*command, options->precision);
  add_attention(*command, options->conformance.attention);
  add_threads(*command, options->conformance.threads);
  command
      ->add_option("--rtol", options->conformance.relative, "Relative to max|want| (1e-4, quantized or float16: 2e-2)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("R");
  command->add_option("--atol", options->conformance.absolute, "Absolute (1e-5)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("A");
  command->add_flag("--json", options->json, "Print one JSON object instead of lines");
  command->footer(kExamples);
  command->callback([options, &chosen] { chosen = [options] { return run_verify(*options); }; });
}

}  // namespace sesame::tools
