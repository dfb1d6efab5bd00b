// Texts and pairs of texts with what is right for each, from the files that GLUE and others come in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sesame::models {

struct Example {
  std::string text;
  std::optional<std::string> pair;
  std::string label;  // a class, or a number
};

enum class ExampleKind {
  classes,        // what is right is a class
  acceptability,  // CoLA: two classes, judged by Matthews' correlation
  similarity,     // STS-B: what is right is a number
};

struct ExampleFile {
  ExampleKind kind = ExampleKind::classes;
  std::vector<Example> examples;
};

// .json is CLINC150 (labelled_data.h); else tab-separated lines, in one of the layouts
//   a heading that names the columns: label (or quality, score, gold_label, is_duplicate), sentence or text, and for
//   pairs sentence1 and sentence2, #1 String and #2 String, question1 and question2, premise and hypothesis,
//   question and sentence
//   7 columns or more, the 5th a number (STS benchmark): genre, file, year, id, score, sentence, sentence
//   4 columns, the 2nd 0 or 1 (CoLA): source, label, the author's mark, sentence
//   3 columns in every line: text, text, label
//   otherwise: text, label (labelled_data.h)
// Throws Error that names the file, and the line where it has one.
ExampleFile read_examples(const std::filesystem::path& file);

// Lines of text without labels; empty ones are skipped.
std::vector<std::string> read_plain_texts(const std::filesystem::path& file);

}  // namespace sesame::models
