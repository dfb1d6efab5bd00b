// Floats as base64 of their little-endian bytes, for lines of JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::bench {

std::string encode_floats(std::span<const float> values);

// Throws Error when `text` is no base64 of whole floats.
std::vector<float> decode_floats(std::string_view text);

}  // namespace sesame::bench
