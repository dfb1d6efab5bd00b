#include "models/eval/entities.h"

#include <algorithm>
#include <cassert>
#include <fstream>
#include <optional>
#include <sstream>

#include "sesame/error.h"

namespace sesame::models {
namespace {

struct Tag {
  char prefix = 'O';
  std::string type;
};

Tag parse_tag(const std::string& text) {
  if (text == "O" || text.size() < 3 || text[1] != '-') return {};
  return {text[0], text.substr(2)};
}

}  // namespace

std::vector<TaggedSentence> read_conll(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(file.string() + ": expected a file in CoNLL's layout, found none");
  std::vector<TaggedSentence> sentences(1);
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("-DOCSTART-")) continue;
    std::istringstream columns(line);
    std::vector<std::string> cells;
    for (std::string cell; columns >> cell;) cells.push_back(cell);
    if (cells.empty()) {
      if (!sentences.back().words.empty()) sentences.emplace_back();
      continue;
    }
    if (cells.size() < 2) {
      throw Error(file.string() + ":" + std::to_string(number) + ": expected a word and its tag, found no tag");
    }
    sentences.back().words.push_back(cells.front());
    sentences.back().tags.push_back(cells.back());
  }
  if (sentences.back().words.empty()) sentences.pop_back();
  if (sentences.empty()) throw Error(file.string() + ": expected tagged words, found none");
  return sentences;
}

std::vector<Entity> entities(std::span<const std::string> tags) {
  std::vector<Entity> found;
  std::optional<Entity> open;
  const auto close = [&](std::size_t end) {
    if (!open) return;
    open->end = end;
    found.push_back(*open);
    open.reset();
  };
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const Tag tag = parse_tag(tags[i]);
    const bool continues = open && open->type == tag.type && (tag.prefix == 'I' || tag.prefix == 'E');
    if (!continues) {
      close(i);
      if (tag.prefix != 'O') open = Entity{tag.type, i, i};
    }
    if (tag.prefix == 'E' || tag.prefix == 'S') close(i + 1);
  }
  close(tags.size());
  return found;
}

EntityScore score_entities(std::span<const std::vector<std::string>> predicted,
                           std::span<const std::vector<std::string>> expected) {
  assert(predicted.size() == expected.size());
  double right = 0, got = 0, wanted = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const auto ours = entities(predicted[i]);
    const auto theirs = entities(expected[i]);
    got += static_cast<double>(ours.size());
    wanted += static_cast<double>(theirs.size());
    for (const Entity& each : ours) right += std::ranges::find(theirs, each) != theirs.end();
  }
  EntityScore score;
  score.precision = got == 0 ? 0 : right / got;
  score.recall = wanted == 0 ? 0 : right / wanted;
  score.f1 = right == 0 ? 0 : 2 * score.precision * score.recall / (score.precision + score.recall);
  return score;
}

}  // namespace sesame::models
