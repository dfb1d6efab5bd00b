// Named entities: CoNLL's files, and the F1 of whole entities.
#pragma once

#include <compare>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace sesame::models {

struct TaggedSentence {
  std::vector<std::string> words;
  std::vector<std::string> tags;  // "B-PER", "I-PER", "O", one a word
};

// A word a line, columns parted by blanks or tabs, the first the word and the last its tag; an empty line ends a
// sentence, a line that starts with -DOCSTART- is skipped. Throws Error that names the file and line.
std::vector<TaggedSentence> read_conll(const std::filesystem::path& file);

// Words [begin, end) of a sentence.
struct Entity {
  std::string type;
  std::size_t begin = 0;
  std::size_t end = 0;
  auto operator<=>(const Entity&) const = default;
};

// As conlleval reads IOB1, IOB2 and IOBES: an entity begins at B- and S-, and at I- and E- where none of its type is
// open; it ends after E- and S-, and before a B-, another type or O.
std::vector<Entity> entities(std::span<const std::string> tags);

struct EntityScore {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

// Over all sentences together; an entity counts when its type and both ends are right. 0 where nothing is to divide by.
EntityScore score_entities(std::span<const std::vector<std::string>> predicted,
                           std::span<const std::vector<std::string>> expected);

}  // namespace sesame::models
