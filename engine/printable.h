// Names out of files, made fit for a one-line message, a log or JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sesame::engine {

// `text` with control characters and bytes that are not UTF-8 replaced by '?', and with "..." for what goes beyond
// `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 512);

}  // namespace sesame::engine
