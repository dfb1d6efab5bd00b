#include "models/eval/squad.h"

#include <utf8proc.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sesame/error.h"

namespace sesame::models {
namespace {

using Json = nlohmann::json;

bool is_ascii_punctuation(utf8proc_int32_t c) {
  return c < 128 &&
         std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_space(utf8proc_int32_t c) {
  if ((c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85) return true;
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_word(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

void append(std::string& text, utf8proc_int32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(c, bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

// Code points of the text in lower case without punctuation; bytes that are no UTF-8 count as U+FFFD.
std::vector<utf8proc_int32_t> lower_without_punctuation(std::string_view text) {
  std::vector<utf8proc_int32_t> points;
  while (!text.empty()) {
    utf8proc_int32_t c = -1;
    const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &c);
    text.remove_prefix(used > 0 ? static_cast<std::size_t>(used) : 1);
    if (used <= 0) c = 0xFFFD;
    if (!is_ascii_punctuation(c)) points.push_back(utf8proc_tolower(c));
  }
  return points;
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

double f1(const std::vector<std::string>& predicted, const std::vector<std::string>& expected) {
  std::map<std::string_view, int> left;
  for (const std::string& each : expected) ++left[each];
  double same = 0;
  for (const std::string& each : predicted) same += left[each]-- > 0;
  if (same == 0) return 0;
  const double precision = same / static_cast<double>(predicted.size());
  const double recall = same / static_cast<double>(expected.size());
  return 2 * precision * recall / (precision + recall);
}

void append_paragraph(const Json& paragraph, std::vector<SquadExample>& examples) {
  for (const Json& qa : paragraph.at("qas")) {
    SquadExample example{
        .id = qa.at("id"), .question = qa.at("question"), .context = paragraph.at("context"), .answers = {}};
    for (const Json& answer : qa.at("answers")) example.answers.push_back(answer.at("text"));
    if (!example.answers.empty()) examples.push_back(std::move(example));
  }
}

}  // namespace

std::vector<SquadExample> read_squad(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(file.string() + ": expected a file in SQuAD's layout, found none");
  std::vector<SquadExample> examples;
  try {
    const Json root = Json::parse(in);
    for (const Json& article : root.at("data")) {
      for (const Json& paragraph : article.at("paragraphs")) append_paragraph(paragraph, examples);
    }
  } catch (const Json::exception& error) {
    throw Error(file.string() + ": expected SQuAD 1.1's layout, found other JSON: " + error.what());
  }
  if (examples.empty()) throw Error(file.string() + ": expected questions with answers, found none");
  return examples;
}

std::string normalize_answer(std::string_view text) {
  // Runs of word characters are the candidates for articles; what separates words keeps no space of its own.
  std::string spaced;
  std::string run;
  const auto end_run = [&] {
    spaced += run == "a" || run == "an" || run == "the" ? " " : run;
    run.clear();
  };
  for (const utf8proc_int32_t c : lower_without_punctuation(text)) {
    if (is_word(c)) {
      append(run, c);
      continue;
    }
    end_run();
    append(spaced, is_space(c) ? ' ' : c);
  }
  end_run();
  std::string joined;
  for (const std::string& word : words(spaced)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

bool exact_match(std::string_view predicted, std::span<const std::string> answers) {
  const std::string normalized = normalize_answer(predicted);
  return std::ranges::any_of(answers, [&](const auto& each) { return normalize_answer(each) == normalized; });
}

double answer_f1(std::string_view predicted, std::span<const std::string> answers) {
  const auto normalized = words(normalize_answer(predicted));
  double best = 0;
  for (const std::string& each : answers) best = std::max(best, f1(normalized, words(normalize_answer(each))));
  return best;
}

}  // namespace sesame::models
