// SQuAD 1.1: its file, and its two metrics as the official evaluation computes them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::models {

struct SquadExample {
  std::string id;
  std::string question;
  std::string context;
  std::vector<std::string> answers;  // at least one
};

// {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text"}]}]}]}]}. A question without an
// answer is left out. Throws Error that names the file.
std::vector<SquadExample> read_squad(const std::filesystem::path& file);

// In lower case, without ASCII punctuation, without the words a, an and the, one blank between words.
std::string normalize_answer(std::string_view text);

// Whether the normalized texts are equal; the best over `answers`.
bool exact_match(std::string_view predicted, std::span<const std::string> answers);

// 2 P R / (P + R) over the words that the normalized texts share, with multiplicity; the best over `answers`.
double answer_f1(std::string_view predicted, std::span<const std::string> answers);

}  // namespace sesame::models
