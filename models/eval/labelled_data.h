// Texts with the label that each should get.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace sesame::models {

// The label of texts that belong to none of the classes, as CLINC150 spells it.
inline constexpr const char* kOutOfScope = "oos";

struct LabelledText {
  std::string text;
  std::string label;
};

// Reads a file by its extension:
//   .json  CLINC150: {"test": [[text, label], ...], "oos_test": [[text, "oos"], ...]}; both parts, in this order
//   else   lines of text TAB label; a first line whose label is "label" is a heading; empty lines are skipped
// Throws Error that names the file, and the line where it has one.
std::vector<LabelledText> read_labelled_texts(const std::filesystem::path& file);

// The index of each text's label among `labels`. Where none of the file's labels is among them and all are whole
// numbers, they are taken as indices (SST-2's 0 and 1). Throws Error that names a label which the model does not have.
std::vector<std::size_t> label_indices(std::span<const LabelledText> data, std::span<const std::string> labels);

}  // namespace sesame::models
