#include "bench/answer_check.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sesame::bench {
namespace {

// Copies of the outputs, which the next run overwrites.
struct Kept {
  std::string name;
  std::vector<float> values;
};

std::vector<Kept> run(Session& session, const TokenBatch& batch) {
  std::vector<Kept> kept;
  for (const Output& each : session.run(batch)) {
    kept.push_back({std::string(each.name), {each.values.begin(), each.values.end()}});
  }
  return kept;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(
      a, b, [](float x, float y) { return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y); });
}

TokenBatch sequence(const TokenBatch& batch, std::size_t i) {
  const std::size_t begin = batch.row_offsets[i];
  const std::size_t count = batch.row_offsets[i + 1] - begin;
  TokenBatch one;
  one.add(std::span(batch.ids).subspan(begin, count),
          batch.type_ids.empty() ? std::span<const std::int64_t>{} : std::span(batch.type_ids).subspan(begin, count));
  return one;
}

// What an output holds for sequence i of `batch`: it starts with the real positions where it has positions.
std::span<const float> row(std::span<const float> values, std::size_t i, std::size_t batch, std::size_t size) {
  const std::size_t stride = values.size() / batch;
  return values.subspan(i * stride, std::min(stride, size));
}

void check_sequence(Session& session, const TokenBatch& batch, std::size_t i, std::span<const Kept> together,
                    const std::string& model) {
  const auto alone = run(session, sequence(batch, i));
  for (std::size_t o = 0; o < together.size(); ++o) {
    if (!same_bits(row(together[o].values, i, batch.size(), alone[o].values.size()), alone[o].values)) {
      throw Error(model + ": output '" + together[o].name + "': expected sequence " + std::to_string(i) + " of " +
                  std::to_string(batch.size()) + " to have the bits that it has alone, found others");
    }
  }
}

}  // namespace

void check_answers(Session& session, const TokenBatch& batch, const std::string& model, bool alone_too) {
  const auto first = run(session, batch);
  const auto second = run(session, batch);
  for (std::size_t o = 0; o < first.size(); ++o) {
    if (!std::ranges::all_of(first[o].values, [](float x) { return std::isfinite(x); })) {
      throw Error(model + ": output '" + first[o].name + "': expected finite values, found NaN or infinity");
    }
    if (!same_bits(first[o].values, second[o].values)) {
      throw Error(model + ": output '" + first[o].name + "': expected the same bits from two runs, found others");
    }
  }
  if (!alone_too || batch.size() == 1) return;
  for (std::size_t i = 0; i < batch.size(); ++i) check_sequence(session, batch, i, first, model);
}

}  // namespace sesame::bench
