// Texts to calibrate on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sesame::models {

// Up to `samples` different lines of a file, chosen by the seed, in the file's order. By its extension:
//   .json  CLINC150: the texts of {"train": [[text, label], ...]}
//   .tsv   text TAB label; a first line whose label is "label" is a heading
//   else   a text a line
// Empty texts are skipped. Throws Error, the file's name first, when it holds no text.
std::vector<std::string> read_calibration_texts(const std::filesystem::path& file, std::size_t samples,
                                                std::uint64_t seed);

}  // namespace sesame::models
