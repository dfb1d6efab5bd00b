// Comma-separated values, RFC 4180: a cell may be quoted, and a quote inside it is doubled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sesame::bench {

// The lines' cells; empty lines are skipped, line ends are LF or CRLF.
std::vector<std::vector<std::string>> parse_csv(std::string_view text);

}  // namespace sesame::bench
