#include "bench/studies/optimum.h"

#include <algorithm>

#include "models/synthesis/make_model.h"
#include "tests/files.h"

namespace sesame::bench {
namespace {

TEST_CASE("the grid is the published rows", "[studies]") {
  const auto rows = optimum_rows();
  REQUIRE(rows.size() == 33);
  CHECK(!rows[0].is_quantized);
  CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.is_quantized; }) == 32);
  const auto& dynamic = rows[1].form;
  CHECK(dynamic.form == engine::OnnxForm::integer_ops);
  CHECK(dynamic.nodes.operators == std::vector<std::string>{"MatMul", "Gemm", "Add"});
  CHECK(dynamic.nodes.exclude.size() == 5);
  CHECK(!dynamic.per_channel);
  CHECK(!dynamic.reduce_range);
  const auto& last = rows[32].form;
  CHECK(last.form == engine::OnnxForm::qdq);
  CHECK(last.nodes.operators == std::vector<std::string>{"Add"});
  CHECK(last.nodes.exclude.empty());
  CHECK(last.per_channel);
  CHECK(last.reduce_range);
}

models::synthesis::ModelSpec tiny() {
  models::synthesis::ModelSpec spec;
  spec.architecture = "distilbert";
  spec.hidden = 16;
  spec.layers = 1;
  spec.heads = 2;
  spec.ffn = 32;
  spec.vocab = 200;
  spec.max_positions = 32;
  spec.labels = 2;
  return spec;
}

TEST_CASE("every row has the study's columns, its counts and an accuracy", "[studies]") {
  const TemporaryFolder folder;
  models::synthesis::make_model(tiny(), folder / "model");
  StudyOptions options;
  options.model = folder / "model";
  options.data = folder.write("data.tsv", "one two\t0\nthree\t1\nfour five six\t1\n");
  options.threads = 1;
  options.timing = Timing{.warmup = 0, .runs = 1, .seconds = 0};
  const StudyReport report = optimum_study(options, {}, [](const auto&, double) {});
  const auto& columns = report.table.columns;
  const auto cell = [&](std::size_t row, const char* column) {
    const auto at = std::find(columns.begin(), columns.end(), column) - columns.begin();
    return report.table.rows.at(row).at(static_cast<std::size_t>(at));
  };
  REQUIRE(report.table.rows.size() == 33 + 34);
  for (const auto& row : report.table.rows) CHECK(row.size() == columns.size());
  CHECK(report.results.size() == 33);
  for (std::size_t row = 0; row < 33; ++row) {
    CHECK(cell(row, "framework") == "sesame");
    CHECK(!cell(row, "accuracy").empty());
    CHECK(!cell(row, "latency_ms_b1_s32").empty());
    CHECK(cell(row, "latency_ms_b1_s64").empty());  // the model takes 32 tokens
  }
  CHECK(cell(0, "quantized") == "none");
  CHECK(cell(1, "quantized") == "2 Gemm, 6 MatMul");
  CHECK(cell(9, "quantized") == "none");
  CHECK(cell(17, "quantized") == "6 Add, 8 MatMul");
  CHECK(cell(33, "machine") == "published");
  CHECK(cell(36, "accuracy") == "0.490");
}

TEST_CASE("static rows need texts", "[studies]") {
  const TemporaryFolder folder;
  models::synthesis::make_model(tiny(), folder / "model");
  StudyOptions options;
  options.model = folder / "model";
  options.threads = 1;
  options.timing = Timing{.warmup = 0, .runs = 1, .seconds = 0};
  const auto run = [&] { optimum_study(options, {}, [](const auto&, double) {}); };
  CHECK(message_of<Error>(run).find("expected texts to calibrate on") != std::string::npos);
}

}  // namespace
}  // namespace sesame::bench
