// Long contexts in windows, and the best span among them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/tasks/task.h"

namespace sesame::bench {

struct WindowOptions {
  std::size_t most_tokens = 384;
  std::size_t overlap = 128;       // context tokens that a window shares with the one before
  std::size_t most_question = 64;  // tokens of the question that are kept
};

// A part of a context behind its question.
struct Window {
  TokenRow row;
  std::size_t begin = 0;        // of the context's tokens in the row
  std::vector<Offset> offsets;  // in the context, of its tokens
};

std::vector<Window> make_windows(const Tokenizer& tokenizer, std::string_view question, std::string_view context,
                                 const WindowOptions& options);

// Where an answer is in the context, in code points, and its start logit + end logit.
struct Span {
  Offset offset;
  double score = 0;
};

// The best pair of one of the 20 best starts and one of the 20 best ends in a window, end not before start, at most 30
// tokens. `start` and `end` have one logit a token of the row. Nothing when there is no such pair.
std::optional<Span> best_span(const Window& window, std::span<const float> start, std::span<const float> end);

// The code points [begin, end) of UTF-8 text.
std::string code_point_range(std::string_view text, Offset range);

}  // namespace sesame::bench
