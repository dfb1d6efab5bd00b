#include "bench/tasks/squad_windows.h"

#include <algorithm>
#include <numeric>

namespace sesame::bench {
namespace {

constexpr std::size_t kBest = 20;
constexpr std::size_t kMostAnswerTokens = 30;

std::vector<std::size_t> best_places(std::span<const float> logits) {
  std::vector<std::size_t> places(logits.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const auto middle = places.begin() + static_cast<std::ptrdiff_t>(std::min(kBest, places.size()));
  std::ranges::partial_sort(places, middle, std::ranges::greater(), [&](std::size_t i) { return logits[i]; });
  places.erase(middle, places.end());
  return places;
}

// What a pair's template adds: [CLS] question [SEP] context [SEP], or <s> question </s></s> context </s>.
struct Template {
  std::vector<std::int64_t> before, between, after;
  std::vector<std::int64_t> types;  // of before, question, between, context, after: one each
};

Template template_of(const Tokenizer& tokenizer) {
  // Two words that stand for themselves mark where question and context go.
  const auto word = tokenizer.encode("a", {.add_special_tokens = false}).ids;
  const auto pair = tokenizer.encode("a", "a");
  const auto find = [&](std::size_t from) {
    const auto it =
        std::search(pair.ids.begin() + static_cast<std::ptrdiff_t>(from), pair.ids.end(), word.begin(), word.end());
    return static_cast<std::size_t>(it - pair.ids.begin());
  };
  const std::size_t question = find(0);
  const std::size_t context = std::min(find(question + word.size()), pair.ids.size() - word.size());
  const auto ids = pair.ids.begin();
  const auto at = [&](std::size_t i) { return ids + static_cast<std::ptrdiff_t>(i); };
  Template result;
  result.before.assign(ids, at(question));
  result.between.assign(at(question + word.size()), at(context));
  result.after.assign(at(context + word.size()), pair.ids.end());
  const auto type = [&](std::size_t i) { return i < pair.type_ids.size() ? pair.type_ids[i] : 0; };
  result.types = {type(0), type(question), type(question + word.size()), type(context), type(pair.ids.size() - 1)};
  return result;
}

void append(TokenRow& row, std::span<const std::int64_t> ids, std::int64_t type) {
  row.ids.insert(row.ids.end(), ids.begin(), ids.end());
  row.type_ids.insert(row.type_ids.end(), ids.size(), type);
}

}  // namespace

std::vector<Window> make_windows(const Tokenizer& tokenizer, std::string_view question, std::string_view context,
                                 const WindowOptions& options) {
  const Template parts = template_of(tokenizer);
  auto asked = tokenizer.encode(question, {.add_special_tokens = false}).ids;
  asked.resize(std::min(asked.size(), options.most_question));
  const auto text = tokenizer.encode(context, {.add_special_tokens = false});
  const std::size_t others = parts.before.size() + asked.size() + parts.between.size() + parts.after.size();
  if (others >= options.most_tokens) return {};
  const std::size_t room = options.most_tokens - others;
  const std::size_t step = room > options.overlap ? room - options.overlap : room;

  std::vector<Window> windows;
  for (std::size_t begin = 0;; begin += step) {
    const std::size_t count = std::min(room, text.ids.size() - begin);
    Window& window = windows.emplace_back();
    append(window.row, parts.before, parts.types[0]);
    append(window.row, asked, parts.types[1]);
    append(window.row, parts.between, parts.types[2]);
    window.begin = window.row.ids.size();
    append(window.row, std::span(text.ids).subspan(begin, count), parts.types[3]);
    append(window.row, parts.after, parts.types[4]);
    const auto from = text.offsets.begin() + static_cast<std::ptrdiff_t>(begin);
    window.offsets.assign(from, from + static_cast<std::ptrdiff_t>(count));
    if (begin + count >= text.ids.size()) return windows;
  }
}

std::optional<Span> best_span(const Window& window, std::span<const float> start, std::span<const float> end) {
  std::optional<Span> best;
  const auto in_context = [&](std::size_t i) { return i >= window.begin && i < window.begin + window.offsets.size(); };
  const auto ends = best_places(end);
  for (const std::size_t s : best_places(start)) {
    for (const std::size_t e : ends) {
      if (!in_context(s) || !in_context(e) || e < s || e - s + 1 > kMostAnswerTokens) continue;
      const double score = static_cast<double>(start[s]) + end[e];
      if (best && !(score > best->score)) continue;
      best = Span{{window.offsets[s - window.begin].begin, window.offsets[e - window.begin].end}, score};
    }
  }
  return best;
}

std::string code_point_range(std::string_view text, Offset range) {
  std::string some;
  std::uint32_t point = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (text[i] & 0xC0) != 0x80;
    if (begins && i > 0) ++point;
    if (point >= range.begin && point < range.end) some += text[i];
  }
  return some;
}

}  // namespace sesame::bench
