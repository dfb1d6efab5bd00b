// ONNX's own operator tests and the conformance models, each run operator by operator at every level.
#include "catch.h"
#include "support/conformance.h"

namespace sesame::tests {

namespace {

// Runs every case below the folder and names all that fail.
void check_cases(const std::string& folder) {
  const auto shared = shared_folder();
  if (!shared) {
    WARN("skipped: conformance/" << folder << " (set SESAME_SHARED)");
    return;
  }
  const auto cases = find_cases(*shared / "conformance" / folder);
  REQUIRE_FALSE(cases.empty());
  for (const kernels::Isa isa : kernels::supported_isas()) {
    std::size_t failed = 0;
    for (const auto& path : cases) {
      const std::string problem = failure_of(path, isa);
      if (problem.empty()) continue;
      ++failed;
      FAIL_CHECK(path.filename().string() << " at " << kernels::name(isa) << ": " << problem);
    }
    INFO(kernels::name(isa) << ": " << failed << " of " << cases.size() << " failed");
    CHECK(failed == 0);
  }
}

}  // namespace

TEST_CASE("ONNX's operator tests pass at every level") { check_cases("onnx-node"); }

TEST_CASE("the conformance models pass operator by operator at every level") { check_cases("models"); }

}  // namespace sesame::tests
