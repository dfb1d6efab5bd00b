#include "tools/report_files.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include "bench/charts/report_charts.h"
#include "sesame/error.h"

namespace sesame::tools {
namespace {

void write(const std::string& file, const std::string& text) {
  if (file.empty()) return;
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw Error(file + ": could not be written");
}

void check_file(const std::string& file) {
  if (file.empty()) return;
  const bool existed = std::filesystem::exists(file);
  const bool opened = std::ofstream(file, std::ios::binary | std::ios::app).is_open();
  if (!opened) throw Error(file + ": could not be written");
  if (!existed) std::filesystem::remove(file);
}

}  // namespace

void check_writable(const ReportFiles& files) {
  if (!files.json_to_stdout()) check_file(files.json);
  check_file(files.markdown);
  check_file(files.html);
  if (files.pictures.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(files.pictures, error);
  if (error) throw Error(files.pictures + ": could not be made: " + error.message());
}

void write_report(const ReportFiles& files, const bench::Report& report) {
  if (files.json_to_stdout()) {
    std::cout << bench::to_json(report) << '\n';
  } else if (!files.json.empty()) {
    write(files.json, bench::to_json(report) + "\n");
  }
  if (!files.markdown.empty()) write(files.markdown, bench::to_markdown(report));
  if (!files.html.empty()) write(files.html, bench::to_html(report));
  if (files.pictures.empty()) return;
  for (const auto& each : bench::pictures(report)) {
    write((std::filesystem::path(files.pictures) / (each.name + ".svg")).string(), each.svg);
  }
}

}  // namespace sesame::tools
