#include "bench/answer_check.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
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

std::string shortest(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return text;
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

// Adds the difference of the real rows, and what it is relative to.
struct Difference {
  double squares = 0;
  double reference = 0;
  bool is_finite = true;

  void add(std::span<const float> ours, std::span<const float> peers) {
    for (std::size_t i = 0; i < std::min(ours.size(), peers.size()); ++i) {
      const double d = static_cast<double>(peers[i]) - ours[i];
      squares += d * d;
      reference += static_cast<double>(ours[i]) * ours[i];
      is_finite = is_finite && std::isfinite(peers[i]);
    }
  }
  double relative() const { return std::sqrt(squares / std::max(reference, 1e-30)); }
};

Difference difference(const NamedOutput& ours, const NamedOutput& peers, const TokenBatch& batch) {
  Difference total;
  std::size_t longest = 0;
  for (const std::size_t each : lengths(batch)) longest = std::max(longest, each);
  const std::size_t rows = batch.size();
  const bool over_positions = ours.shape.size() >= 2 && ours.shape[0] == static_cast<std::int64_t>(rows) &&
                              ours.shape[1] == static_cast<std::int64_t>(longest);
  if (!over_positions) {
    total.add(ours.values, peers.values);
    return total;
  }
  const std::size_t stride = ours.values.size() / rows;
  for (std::size_t i = 0; i < rows && i * stride < peers.values.size(); ++i) {
    const std::size_t real = (batch.row_offsets[i + 1] - batch.row_offsets[i]) * (stride / longest);
    total.add(std::span(ours.values).subspan(i * stride, real), std::span(peers.values).subspan(i * stride));
  }
  return total;
}

}  // namespace

void check_peer(std::span<const NamedOutput> ours, std::span<const NamedOutput> peers, const TokenBatch& batch,
                double tolerance, const std::string& model, const std::string& peer) {
  std::size_t compared = 0;
  for (const NamedOutput& each : ours) {
    const auto theirs = std::ranges::find(peers, each.name, &NamedOutput::name);
    if (theirs == peers.end()) continue;
    if (theirs->shape != each.shape) {
      throw Error(model + ": output '" + each.name + "': expected " + peer + " to give the same shape, found another");
    }
    const Difference found = difference(each, *theirs, batch);
    if (!found.is_finite || !(found.relative() <= tolerance)) {
      throw Error(model + ": output '" + each.name + "': expected " + peer + " to answer the same within " +
                  shortest(tolerance) + ", found a relative difference of " + shortest(found.relative()));
    }
    ++compared;
  }
  if (compared == 0) throw Error(model + ": expected an output that " + peer + " has as well, found none");
}

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
