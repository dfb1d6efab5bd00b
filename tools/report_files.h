// Where a bench's report goes: files, or standard output.
#pragma once

#include <string>

#include "bench/report.h"

namespace sesame::tools {

// Each is empty for none; `json` may be "-" for standard output.
struct ReportFiles {
  std::string json;
  std::string markdown;
  std::string html;
  std::string pictures;  // a folder for the .svg files

  bool json_to_stdout() const { return json == "-"; }
};

// Before a long run rather than after it. Throws Error that names a file which can't be written.
void check_writable(const ReportFiles& files);

void write_report(const ReportFiles& files, const bench::Report& report);

}  // namespace sesame::tools
