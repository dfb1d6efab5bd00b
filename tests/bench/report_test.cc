#include "bench/report.h"

#include <nlohmann/json.hpp>

#include "tests/catch.h"

using namespace sesame::bench;

namespace {

Report example() {
  Report report;
  report.machine.cpu = "A CPU";
  report.machine.isa = "avx2";
  report.machine.levels = {"scalar", "avx2"};
  report.machine.caches = {{1, "data", 48}, {1, "instruction", 32}, {2, "unified", 2048}};
  report.peaks.fp32 = 50;
  report.peaks.int8 = 100.5;
  Result result;
  result.model = "a/model";
  result.precision = "int8";
  result.isa = "avx2";
  result.batch = 8;
  result.length = 32;
  result.threads = 2;
  result.runs = 100;
  result.latency_ms = {.mean = 1.5, .std = 0.25, .min = 1, .p50 = 1.25, .p90 = 2, .p99 = 3};
  result.accuracy = 0.8375;
  result.metrics = {{"accuracy", 0.8375}};
  report.results = {result};
  return report;
}

std::vector<std::string> keys(const nlohmann::ordered_json& object) {
  std::vector<std::string> names;
  for (const auto& each : object.items()) names.push_back(each.key());
  return names;
}

}  // namespace

TEST_CASE("the JSON report has the published fields") {
  const auto json = nlohmann::ordered_json::parse(to_json(example()));
  CHECK(keys(json) == std::vector<std::string>{"schema", "machine", "results", "warnings", "partial", "provenance",
                                               "profiles", "studies"});
  CHECK(json["schema"] == 1);
  CHECK(json["machine"]["peak_gmacs"]["fp32"] == 50);
  CHECK(json["machine"]["peak_gmacs"]["bf16"].is_null());
  CHECK(json["machine"]["peak_gmacs"]["int8"] == 100.5);
  REQUIRE(json["results"].size() == 1);
  CHECK(keys(json["results"][0]) ==
        std::vector<std::string>{"model",       "engine",        "precision",         "isa",
                                 "batch",       "length",        "threads",           "runs",
                                 "latency_ms",  "samples_per_s", "tokens_per_s",      "gmacs",
                                 "gmacs_per_s", "peak_share",    "model_mib",         "peak_rss_mib",
                                 "load_ms",     "accuracy",      "accuracy_in_scope", "agreement",
                                 "version",     "format",        "instances",         "cpus",
                                 "rate",        "tokens",        "padded_tokens",     "file_mib",
                                 "peak_gmacs",  "metrics",       "time_over_ours"});
  CHECK(keys(json["results"][0]["latency_ms"]) == std::vector<std::string>{"mean", "std", "min", "p50", "p90", "p99"});
  CHECK(json["results"][0]["length"] == 32);
  CHECK(json["results"][0]["accuracy"] == 0.8375);
  CHECK(json["results"][0]["peak_share"].is_null());
}

TEST_CASE("bytes that are no UTF-8 do not break the JSON report") {
  Report report = example();
  report.results[0].model = "caf\xe9";
  CHECK(nlohmann::json::accept(to_json(report)));
}

TEST_CASE("the table leaves out columns that nothing fills") {
  Report report = example();
  const std::string table = to_table(report.results);
  CHECK(table.find("accuracy") != std::string::npos);
  CHECK(table.find("83.75 %") != std::string::npos);
  CHECK(table.find("of peak") == std::string::npos);
  CHECK(table.find("as fp32") == std::string::npos);
  CHECK(table.find("engine") == std::string::npos);
  report.results.push_back(report.results[0]);
  report.results[1].engine = "another";
  const std::string both = to_table(report.results);
  CHECK(both.find("engine") != std::string::npos);
  CHECK(both.find("isa") == std::string::npos);
}

TEST_CASE("columns are aligned: names left, figures right") {
  CHECK(align_columns({{"name", "ms"}, {"a", "10.5"}, {"longer", "7"}}, 1) ==
        "name      ms\n"
        "a       10.5\n"
        "longer     7\n");
}

TEST_CASE("figures are rounded to the digits asked for") {
  CHECK(fixed(1.005, 1) == "1.0");
  CHECK(fixed(2.5, 0) == "2");
  CHECK(fixed(123.456, 2) == "123.46");
}

TEST_CASE("the machine's text names the level, the peaks and the data caches") {
  const Report report = example();
  const std::string text = machine_text(report.machine, report.peaks);
  CHECK(text.find("levels found: scalar, avx2; used: avx2") != std::string::npos);
  CHECK(text.find("fp32 50.0, bf16 -, int8 100.5 GMAC/s") != std::string::npos);
  CHECK(text.find("L1 48 KiB, L2 2 MiB") != std::string::npos);
}
