#include "bench/charts/chart.h"

#include "bench/charts/axis.h"
#include "bench/charts/report_charts.h"
#include "tests/catch.h"

using namespace sesame::bench;
using Catch::Contains;

TEST_CASE("ticks are round and cover the range") {
  CHECK(ticks(0, 10, 5, false) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(ticks(3, 9, 6, false) == std::vector<double>{3, 4, 5, 6, 7, 8, 9});
  CHECK(ticks(8, 600, 6, true) == std::vector<double>{10, 20, 50, 100, 200, 500});
  CHECK(tick_text(0.5) == "0.5");
  CHECK(tick_text(20000) == "20k");
  CHECK(tick_text(-0.0) == "0");
}

TEST_CASE("an axis places values, also on a logarithmic scale") {
  CHECK(Axis(0, 10, 100, 200, false).place(5) == Approx(150));
  CHECK(Axis(1, 100, 0, 1, true).place(10) == Approx(0.5));
  CHECK(Axis(0, 10, 200, 100, false).place(10) == Approx(100));  // upwards
  CHECK(std::isfinite(Axis(3, 3, 0, 1, false).place(3)));
}

TEST_CASE("a disc's area is in proportion to its size, and labels are escaped") {
  Chart chart{.title = "a < b", .x_label = "x", .y_label = "y", .series = {}};
  chart.series.push_back({.name = "", .points = {{1, 1, 4, "small & big"}}, .is_line = false});
  chart.series.push_back({.name = "", .points = {{2, 2, 16, ""}}, .is_line = false});
  const std::string svg = to_svg(chart);
  CHECK_THAT(svg, Contains("r=\"11.0\"") && Contains("r=\"22.0\""));
  CHECK_THAT(svg, Contains("a &lt; b") && Contains("small &amp; big"));
  CHECK_THAT(to_svg({.title = "t", .x_label = "", .y_label = "", .series = {}}), Contains("nothing was measured"));
}

TEST_CASE("a report has the pictures that its results allow") {
  Report report;
  report.peaks.fp32 = 100;
  Result result;
  result.model = "m";
  result.precision = "fp32";
  result.gmacs = 1;
  for (const std::size_t length : {32, 128}) {
    result.length = length;
    result.latency_ms.p50 = static_cast<double>(length);
    report.results.push_back(result);
  }
  auto all = pictures(report);
  REQUIRE(all.size() == 1);
  CHECK(all[0].name == "length");
  CHECK_THAT(all[0].svg, Contains("what the fp32 peak allows"));
  report.results[0].accuracy = 0.9;
  report.profiles.push_back({"m fp32", {{"a step", 1.5, 1}}});
  report.profiles.push_back({"m int8", {{"a step", 0.5, 1}}});
  all = pictures(report);
  REQUIRE(all.size() == 4);
  CHECK(all[3].name == "profile-2");
  CHECK(all[0].name == "accuracy");
  CHECK_THAT(all[2].svg, Contains("1.500 ms, 100.0 %"));
}

TEST_CASE("one page holds tables, pictures, warnings and how it was made") {
  Report report;
  report.warnings = {"a <warning>"};
  report.is_partial = true;
  report.provenance.command = "sesame bench m";
  report.provenance.models = {{"m", 1.5, "00ff"}};
  report.studies.push_back({"A study", {.columns = {"engine", "ms"}, .rows = {{"x", "1"}}, .left = 1}, {"a note"}});
  const std::string html = to_html(report);
  CHECK_THAT(html, Contains("a &lt;warning&gt;") && Contains("partial") && Contains("sesame bench m"));
  CHECK_THAT(html, Contains("A study") && Contains("FNV-1a 00ff") && !Contains("src="));
  CHECK_THAT(to_markdown(report), Contains("| engine | ms |") && Contains("- warning: a <warning>"));
}
