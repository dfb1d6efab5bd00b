#include <algorithm>
#include <charconv>
#include <functional>

#include "bench/report.h"

namespace sesame::bench {
namespace {

struct Column {
  const char* heading;
  std::function<std::string(const Result&)> cell;  // empty where the result has no such figure
  bool if_it_varies = false;                       // left out where all results say the same
};

std::string number(const std::optional<double>& x, int digits) { return x ? fixed(*x, digits) : std::string(); }

std::string percent(const std::optional<double>& share, int digits) {
  return share ? fixed(*share * 100, digits) + " %" : std::string();
}

// "2.31 [2.27, 2.35]".
std::string time_over_ours(const Result& r) {
  if (!r.time_over_ours) return {};
  const Ratio& ratio = *r.time_over_ours;
  return fixed(ratio.value, 2) + " [" + fixed(ratio.low, 2) + ", " + fixed(ratio.high, 2) + "]";
}

// What padding to the longest text of a batch adds to the real tokens.
std::string padding(const Result& r) {
  if (!r.tokens || !r.padded_tokens) return {};
  return percent(*r.padded_tokens / *r.tokens - 1, 0);
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      {"model", [](const Result& r) { return r.model; }},
      {"engine", [](const Result& r) { return r.engine; }, true},
      {"precision", [](const Result& r) { return r.format.empty() ? r.precision : r.precision + " " + r.format; }},
      {"isa", [](const Result& r) { return r.isa; }, true},
      {"batch", [](const Result& r) { return std::to_string(r.batch); }},
      {"length", [](const Result& r) { return r.length ? std::to_string(*r.length) : "text"; }},
      {"threads", [](const Result& r) { return std::to_string(r.threads); }},
      {"instances", [](const Result& r) { return std::to_string(r.instances); }, true},
      {"rate/s", [](const Result& r) { return number(r.rate, 1); }},
      {"p50 ms", [](const Result& r) { return fixed(r.latency_ms.p50, 3); }},
      {"p99 ms", [](const Result& r) { return fixed(r.latency_ms.p99, 3); }},
      {"samples/s", [](const Result& r) { return fixed(r.samples_per_s, 1); }},
      {"tokens/s", [](const Result& r) { return fixed(r.tokens_per_s, 0); }},
      {"padded", [](const Result& r) { return padding(r); }},
      {"GMAC/s", [](const Result& r) { return number(r.gmacs_per_s, 1); }},
      {"of peak", [](const Result& r) { return percent(r.peak_share, 0); }},
      {"time / ours", [](const Result& r) { return time_over_ours(r); }},
      {"model MiB", [](const Result& r) { return number(r.model_mib, 1); }},
      {"RSS MiB", [](const Result& r) { return number(r.peak_rss_mib, 1); }},
      {"load ms", [](const Result& r) { return fixed(r.load_ms, 1); }},
      {"accuracy", [](const Result& r) { return percent(r.accuracy, 2); }},
      {"in scope", [](const Result& r) { return percent(r.accuracy_in_scope, 2); }},
      {"as fp32", [](const Result& r) { return percent(r.agreement, 2); }},
  };
  return all;
}

bool is_shown(const Column& column, const std::vector<std::string>& cells) {
  if (column.if_it_varies) return std::ranges::adjacent_find(cells, std::not_equal_to<>()) != cells.end();
  return std::ranges::any_of(cells, [](const std::string& cell) { return !cell.empty(); });
}

std::string join(const std::vector<std::string>& parts, const char* separator) {
  std::string joined;
  for (const std::string& each : parts) joined += (joined.empty() ? "" : separator) + each;
  return joined;
}

std::string cache_text(const Cache& cache) {
  std::string text = "L";
  text += std::to_string(cache.level) + ' ';
  text += cache.kib < 1024 ? std::to_string(cache.kib) + " KiB" : std::to_string(cache.kib / 1024) + " MiB";
  return text;
}

// Of the caches that hold data.
std::string caches_text(const std::vector<Cache>& caches) {
  std::vector<std::string> parts;
  for (const Cache& each : caches) {
    if (each.type != "instruction") parts.push_back(cache_text(each));
  }
  return join(parts, ", ");
}

std::string peak_text(const char* precision, const std::optional<double>& gmacs) {
  return std::string(precision) + " " + (gmacs ? fixed(*gmacs, 1) : "-");
}

}  // namespace

const Metric* find_metric(const std::vector<Metric>& metrics, std::string_view name) {
  const auto found = std::ranges::find(metrics, name, &Metric::name);
  return found == metrics.end() ? nullptr : &*found;
}

std::string fixed(double x, int digits) {
  char text[400];
  const auto result = std::to_chars(text, text + sizeof text, x, std::chars_format::fixed, digits);
  return {text, result.ptr};
}

std::string align_columns(const std::vector<std::vector<std::string>>& rows, std::size_t left) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (i < left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string to_table(const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> rows(results.size() + 1);
  for (const Column& column : columns()) {
    std::vector<std::string> cells;
    for (const Result& each : results) cells.push_back(column.cell(each));
    if (!is_shown(column, cells)) continue;
    rows[0].emplace_back(column.heading);
    for (std::size_t i = 0; i < cells.size(); ++i) rows[i + 1].push_back(cells[i].empty() ? "-" : cells[i]);
  }
  const auto batch = std::ranges::find(rows[0], "batch");  // names are before it, figures from it on
  return align_columns(rows, static_cast<std::size_t>(batch - rows[0].begin()));
}

std::string machine_text(const Machine& machine, const Peaks& peaks) {
  const std::string cpu = machine.cpu.empty() ? "unknown CPU" : machine.cpu;
  std::string text = cpu + ", " + std::to_string(machine.cores) + (machine.cores == 1 ? " core" : " cores") + ", " +
                     fixed(machine.memory_mib / 1024, 1) + " GiB";
  const std::string caches = caches_text(machine.caches);
  if (!caches.empty()) text += "; " + caches;
  text += "\nlevels found: " + join(machine.levels, ", ") + "; used: " + machine.isa + "\n";
  text += "peak of one core: " + peak_text("fp32", peaks.fp32) + ", " + peak_text("bf16", peaks.bf16) + ", " +
          peak_text("int8", peaks.int8) + " GMAC/s; memory, one stream over " + std::to_string(kStreamMib) +
          " MiB: " + fixed(peaks.memory_read, 1) + " GB/s\n";
  return text;
}

}  // namespace sesame::bench
