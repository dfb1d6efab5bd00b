#include <functional>
#include <set>

#include "bench/charts/report_charts.h"
#include "bench/report.h"

namespace sesame::bench {
namespace {

constexpr const char* kStyle =
    "body{font-family:sans-serif;color:#222;max-width:1100px;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}"
    "th,td{padding:3px 9px;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}"
    "th{border-bottom:2px solid #888}th.name,td.name{text-align:left}"
    "svg{max-width:100%;height:auto;margin:1em 0}pre{background:#f5f5f5;padding:.8em;overflow-x:auto}"
    ".warning{color:#a04000}";

std::string html_row(const std::vector<std::string>& cells, std::size_t left, const char* element) {
  std::string row = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    row += std::string("<") + element + (i < left ? " class=\"name\">" : ">") + escape_xml(cells[i]) + "</" + element +
           ">";
  }
  return row + "</tr>\n";
}

std::string html_table(const Table& table) {
  std::string text = "<table>\n" + html_row(table.columns, table.left, "th");
  for (const auto& row : table.rows) text += html_row(row, table.left, "td");
  return text + "</table>\n";
}

std::string title_of(const Report& report) {
  return std::string("sesame bench") + (report.is_partial ? " (partial: it was stopped)" : "");
}

std::string for_each_line(const std::vector<std::string>& lines, const std::string& before, const std::string& after,
                          const std::function<std::string(const std::string&)>& escape) {
  std::string text;
  for (const std::string& each : lines) text += before + escape(each) + after;
  return text;
}

}  // namespace

Table provenance_table(const Report& report) {
  const Provenance& p = report.provenance;
  Table table{.columns = {"how", ""}, .rows = {}, .left = 2};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) table.rows.push_back({name, value});
  };
  add("command", p.command);
  add("sesame", p.version + (p.commit.empty() ? "" : ", commit " + p.commit));
  std::set<std::string> engines;
  for (const Result& each : report.results) {
    if (each.engine != "sesame") engines.insert(each.engine + " " + each.version);
  }
  for (const std::string& each : engines) add("peer", each);
  add("system", report.machine.system);
  add("compiler", report.machine.compiler);
  add("CPUs allowed", p.affinity);
  add("governor", p.governor);
  for (const ModelFile& each : p.models) {
    add("model", each.path + ", " + fixed(each.mib, 1) + " MiB, FNV-1a " + each.hash);
  }
  return table;
}

std::string to_markdown(const Report& report) {
  const auto plain = [](const std::string& text) { return text; };
  std::string text = "## " + title_of(report) + "\n\n```\n" + machine_text(report.machine, report.peaks) + "```\n\n";
  for (const StudySection& each : report.studies) {
    text += "### " + each.title + "\n\n" + to_markdown(each.table) + "\n" +
            for_each_line(each.notes, "- ", "\n", plain) + "\n";
  }
  return text + to_markdown(result_table(report.results)) + "\n" +
         for_each_line(report.warnings, "- warning: ", "\n", plain) + "\n" + to_markdown(provenance_table(report));
}

std::string to_html(const Report& report) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>sesame bench</title><style>";
  page += kStyle;
  page += "</style></head><body>\n<h1>" + title_of(report) + "</h1>\n<pre>" +
          escape_xml(machine_text(report.machine, report.peaks)) + "</pre>\n";
  for (const StudySection& each : report.studies) {
    page += "<h2>" + escape_xml(each.title) + "</h2>\n" + html_table(each.table) +
            for_each_line(each.notes, "<p>", "</p>\n", escape_xml) + "<h2>All figures</h2>\n";
  }
  page += html_table(result_table(report.results)) +
          for_each_line(report.warnings, "<p class=\"warning\">warning: ", "</p>\n", escape_xml);
  for (const Picture& each : pictures(report)) page += each.svg;
  return page + "<h2>How it was made</h2>\n" + html_table(provenance_table(report)) + "</body></html>\n";
}

}  // namespace sesame::bench
