#include "bench/charts/report_charts.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

namespace sesame::bench {
namespace {

using Filter = std::function<bool(const Result&)>;
using Value = std::function<double(const Result&)>;

std::string short_name(const std::string& model) {
  const std::string name = std::filesystem::path(model).filename().string();
  return name.empty() ? std::filesystem::path(model).parent_path().filename().string() : name;
}

// "distilbert, sesame int8"
std::string series_name(const Result& r) {
  return short_name(r.model) + ", " + r.engine + " " + r.precision + (r.format.empty() ? "" : " " + r.format);
}

// One line for each model, engine and precision.
std::vector<Series> lines(const Report& report, const Filter& belongs, const Value& x, const Value& y) {
  std::vector<Series> all;
  for (const Result& each : report.results) {
    if (!belongs(each)) continue;
    const std::string name = series_name(each);
    auto known = std::ranges::find(all, name, &Series::name);
    if (known == all.end()) known = all.insert(all.end(), Series{.name = name, .points = {}});
    known->points.push_back({x(each), y(each), 0, {}});
  }
  return all;
}

// Whether the results that belong differ in x: else there is no picture in them.
bool varies(const Report& report, const Filter& belongs, const Value& x) {
  std::set<double> values;
  for (const Result& each : report.results) {
    if (belongs(each)) values.insert(x(each));
  }
  return values.size() > 1;
}

std::optional<double> peak_of_core(const Peaks& peaks, const std::string& precision) {
  if (precision == "int8") return peaks.int8;
  if (precision == "bf16") return peaks.bf16;
  return peaks.fp32;
}

bool is_plain(const Result& r) { return r.length && r.instances == 1 && !r.rate; }

Chart latency_by_length(const Report& report) {
  const auto belongs = [](const Result& r) { return is_plain(r) && r.batch == 1 && r.threads == 1; };
  const auto x = [](const Result& r) { return static_cast<double>(*r.length); };
  Chart chart{.title = "Latency of one text, one thread",
              .x_label = "tokens",
              .y_label = "ms (median)",
              .log_x = true,
              .log_y = true,
              .series = {}};
  if (!varies(report, belongs, x)) return chart;
  chart.series = lines(report, belongs, x, [](const Result& r) { return r.latency_ms.p50; });
  std::map<std::string, Series> floors;
  for (const Result& each : report.results) {
    const auto peak = peak_of_core(report.peaks, each.precision);
    if (!belongs(each) || each.engine != "sesame" || !each.gmacs || !peak) continue;
    Series& floor = floors[short_name(each.model) + " " + each.precision];
    floor.name = short_name(each.model) + ", what the " + each.precision + " peak allows";
    floor.is_dashed = true;
    floor.points.push_back({x(each), *each.gmacs / *peak * 1000, 0, {}});
  }
  for (auto& [name, floor] : floors) chart.series.push_back(std::move(floor));
  return chart;
}

Chart throughput(const Report& report, const char* title, const char* x_label, const Filter& belongs, const Value& x) {
  Chart chart{.title = title, .x_label = x_label, .y_label = "tokens a second", .series = {}};
  if (varies(report, belongs, x)) {
    chart.series = lines(report, belongs, x, [](const Result& r) { return r.tokens_per_s; });
  }
  return chart;
}

Chart accuracy_by_latency(const Report& report) {
  Chart chart{.title = "Accuracy against latency; the area is the model's size",
              .x_label = "ms (median)",
              .y_label = "accuracy, %",
              .y_from_zero = false,
              .series = {}};
  std::set<std::string> seen;  // the first configuration of each stands for it
  for (const Result& each : report.results) {
    if (!each.accuracy || !seen.insert(series_name(each)).second) continue;
    const double size = size_mib(each);
    chart.series.push_back({.name = {},
                            .points = {{each.latency_ms.p50, *each.accuracy * 100, size, series_name(each)}},
                            .is_line = false});
  }
  return chart;
}

Chart waiting_by_rate(const Report& report) {
  const auto belongs = [](const Result& r) { return r.rate.has_value(); };
  const auto x = [](const Result& r) { return *r.rate; };
  Chart chart{.title = "Time to an answer when requests arrive (Poisson)",
              .x_label = "requests a second",
              .y_label = "ms, p50 and p99",
              .log_y = true,
              .series = {}};
  if (!varies(report, belongs, x)) return chart;
  for (Series& each : lines(report, belongs, x, [](const Result& r) { return r.latency_ms.p50; })) {
    each.name += ", p50";
    chart.series.push_back(std::move(each));
  }
  for (Series& each : lines(report, belongs, x, [](const Result& r) { return r.latency_ms.p99; })) {
    each.name += ", p99";
    chart.series.push_back(std::move(each));
  }
  return chart;
}

std::string profile_picture(const ProfileReport& profile) {
  std::vector<StepProfile> steps = profile.steps;
  std::ranges::stable_sort(steps, std::ranges::greater(), &StepProfile::milliseconds);
  constexpr std::size_t kMost = 24;
  if (steps.size() > kMost) steps.resize(kMost);
  std::vector<Bar> bars;
  for (const StepProfile& each : steps) {
    bars.push_back(
        {each.step, each.milliseconds, fixed(each.milliseconds, 3) + " ms, " + fixed(each.share * 100, 1) + " %"});
  }
  return bars_to_svg("Time by step: " + profile.what, bars);
}

}  // namespace

std::vector<Picture> pictures(const Report& report) {
  std::vector<Picture> all;
  const auto add = [&](const char* name, const Chart& chart) {
    if (!chart.series.empty()) all.push_back({name, to_svg(chart)});
  };
  add("accuracy", accuracy_by_latency(report));
  add("length", latency_by_length(report));
  const auto longest =
      std::ranges::max_element(report.results, {}, [](const Result& r) { return r.length.value_or(0); });
  const std::size_t usual =
      longest == report.results.end() ? 0 : std::min<std::size_t>(128, longest->length.value_or(0));
  add("batch", throughput(
                   report, "Throughput against batch, one thread", "texts of one call",
                   [&](const Result& r) { return is_plain(r) && r.length == usual && r.threads == 1; },
                   [](const Result& r) { return static_cast<double>(r.batch); }));
  add("cores", throughput(
                   report, "Throughput against cores", "cores in use",
                   [&](const Result& r) { return r.length == usual && r.batch == 1 && !r.rate; },
                   [](const Result& r) { return static_cast<double>(r.threads * r.instances); }));
  add("rate", waiting_by_rate(report));
  for (std::size_t i = 0; i < report.profiles.size(); ++i) {
    std::string name = "profile";
    if (i > 0) name.append("-").append(std::to_string(i + 1));
    all.push_back({std::move(name), profile_picture(report.profiles[i])});
  }
  return all;
}

}  // namespace sesame::bench
