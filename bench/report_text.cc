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

std::string metric(const Result& r, const char* name) {
  const Metric* const found = find_metric(r.metrics, name);
  return found == nullptr ? std::string() : fixed(found->value * 100, 2) + " %";
}

std::string decibels(const Result& r) {
  const Metric* const found = find_metric(r.metrics, "snr_db");
  return found == nullptr ? std::string() : fixed(found->value, 1);
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
      {"file MiB", [](const Result& r) { return number(r.file_mib, 1); }},
      {"RSS MiB", [](const Result& r) { return number(r.peak_rss_mib, 1); }},
      {"load ms", [](const Result& r) { return fixed(r.load_ms, 1); }},
      {"accuracy", [](const Result& r) { return metric(r, "accuracy"); }},
      {"in scope", [](const Result& r) { return percent(r.accuracy_in_scope, 2); }},
      {"F1", [](const Result& r) { return metric(r, "f1"); }},
      {"EM", [](const Result& r) { return metric(r, "exact_match"); }},
      {"Matthews", [](const Result& r) { return metric(r, "matthews"); }},
      {"Pearson", [](const Result& r) { return metric(r, "pearson"); }},
      {"Spearman", [](const Result& r) { return metric(r, "spearman"); }},
      {"as fp32", [](const Result& r) { return percent(r.agreement, 2); }},
      {"SNR dB", [](const Result& r) { return decibels(r); }},
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

double size_mib(const Result& result) { return result.model_mib.value_or(result.file_mib.value_or(0)); }

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

Table result_table(const std::vector<Result>& results) {
  Table table;
  table.rows.resize(results.size());
  for (const Column& column : columns()) {
    std::vector<std::string> cells;
    for (const Result& each : results) cells.push_back(column.cell(each));
    if (!is_shown(column, cells)) continue;
    table.columns.emplace_back(column.heading);
    for (std::size_t i = 0; i < cells.size(); ++i) table.rows[i].push_back(cells[i]);
  }
  const auto batch = std::ranges::find(table.columns, "batch");  // names are before it, figures from it on
  table.left = static_cast<std::size_t>(batch - table.columns.begin());
  return table;
}

std::string to_table(const std::vector<Result>& results) { return to_text(result_table(results)); }

std::string machine_text(const Machine& machine, const Peaks& peaks) {
  const std::string cpu = machine.cpu.empty() ? "unknown CPU" : machine.cpu;
  std::string text = cpu + ", " + std::to_string(machine.cores) + (machine.cores == 1 ? " core" : " cores") + ", " +
                     fixed(machine.memory_mib / 1024, 1) + " GiB";
  const std::string caches = caches_text(machine.caches);
  if (!caches.empty()) text += "; " + caches;
  text += "\nlevels found: " + join(machine.levels, ", ") + "; used: " + machine.isa + "\n";
  text += "peak of one core: " + peak_text("fp32", peaks.fp32) + ", " + peak_text("bf16", peaks.bf16) + ", " +
          peak_text("int8", peaks.int8) + " GMAC/s; memory, one stream over " + std::to_string(kStreamMib) +
          " MiB: " + fixed(peaks.memory_read, 1) + " GB/s; clock " + fixed(peaks.clock_ghz, 2) + " GHz\n";
  return text;
}

}  // namespace sesame::bench
