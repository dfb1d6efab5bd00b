// ONNX's own operator tests and the conformance models, each run operator by operator at every level.
#include "engine/onnx_reader.h"
#include "tests/catch.h"
#include "tests/support.h"
#include "tests/support/conformance.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

namespace {

namespace fs = std::filesystem;

// The cases below a folder of the shared conformance material; none, with a warning, when it is not there.
std::vector<fs::path> cases_of(const std::string& folder) {
  const auto root = shared_path("conformance/" + folder);
  if (!root) return {};
  auto cases = find_cases(*root);
  REQUIRE_FALSE(cases.empty());
  return cases;
}

bool same_bits(const std::vector<engine::Tensor>& a, const std::vector<engine::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return test::same_bits(x, y); });
}

// Runs every case at every level and names all that fail. The levels must give the same bits.
void check_cases(const std::string& folder) {
  for (const fs::path& path : cases_of(folder)) {
    const std::string name = path.filename().string();
    const CaseResult first = run_case(path, kernels::Isa::scalar);
    for (const kernels::Isa isa : kernels::supported_isas()) {
      const CaseResult result = isa == kernels::Isa::scalar ? first : run_case(path, isa);
      if (!result.problem.empty()) FAIL_CHECK(name << " at " << kernels::name(isa) << ": " << result.problem);
      if (!same_bits(result.outputs, first.outputs)) FAIL_CHECK(name << " at " << kernels::name(isa) << ": other bits");
    }
  }
}

}  // namespace

TEST_CASE("ONNX's operator tests pass at every level") { check_cases("onnx-node"); }

TEST_CASE("the conformance models pass operator by operator at every level") { check_cases("models"); }

TEST_CASE("a plan with two threads gives the bits of its operators alone") {
  for (const char* folder : {"onnx-node", "models"}) {
    for (const fs::path& path : cases_of(folder)) {
      const std::string name = path.filename().string();
      INFO(name);
      const engine::Graph graph = engine::read_onnx(path / "model.onnx");
      const DataSet set = read_data_sets(path).front();
      const auto alone = evaluate(graph, set.inputs, kernels::default_isa());
      CHECK(same_bits(run_planned(graph, set.inputs, kernels::default_isa(), 2), alone));
    }
  }
}

}  // namespace sesame::test
