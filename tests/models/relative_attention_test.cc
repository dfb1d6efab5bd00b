// Relative positions' scores against the formula, and the same text's bits wherever it stands.
#include "models/relative_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "tests/catch.h"

namespace sesame::models {
namespace {

using engine::DType;
using engine::LinearPrecision;
using engine::Tensor;

constexpr std::size_t kHeadDim = 24;
constexpr std::ptrdiff_t kReach = 40;

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> x(n);
  for (float& value : x) value = distribution(random);
  return x;
}

struct Terms {
  bool query, key, bias;
};

// Distances 0 to 5 on either side are places of their own, further ones come in fours.
std::shared_ptr<const RelativePlaces> make_places(bool levels_off) {
  auto places = std::make_shared<RelativePlaces>();
  places->levels_off = levels_off;
  std::int32_t place = 0;
  for (std::ptrdiff_t d = -kReach; d <= kReach; ++d) {
    if (d > -kReach && (std::abs(d) <= 5 || d % 4 == 0)) ++place;
    places->place.push_back(place);
  }
  return places;
}

struct Problem {
  explicit Problem(const Terms& terms, LinearPrecision precision = LinearPrecision::fp32) {
    relative.places = make_places(true);
    const auto rows = static_cast<std::int64_t>(relative.places->count());
    tables = {normal(relative.places->count() * kHeadDim, 1), normal(relative.places->count() * kHeadDim, 2)};
    const auto pack = [&](const std::vector<float>& table) {
      return engine::Linear({Tensor::of<float>({rows, kHeadDim}, table), Tensor(), true}, precision);
    };
    if (terms.query) relative.query.push_back(pack(tables[0]));
    if (terms.key) relative.key.push_back(pack(tables[1]));
    const std::int64_t distances = 2 * kReach + 1;
    if (terms.bias) relative.bias = Tensor::of<float>({1, distances}, normal(2 * kReach + 1, 3));
  }

  // The relative scores of these rows, [queries][keys].
  std::vector<float> run(const std::vector<std::uint32_t>& queries, const std::vector<std::uint32_t>& keys,
                         const float* mask_bias, const kernels::Table& kernels) const {
    kernels::AttentionF32 a{};
    const std::vector<float> q = rows_at(queries, 7), k = rows_at(keys, 8);
    a.q = q.data();
    a.k = k.data();
    a.ldq = a.ldk = kHeadDim;
    a.queries = queries.size();
    a.keys = keys.size();
    a.head_dim = kHeadDim;
    a.bias = mask_bias;
    const std::size_t bytes = relative_scratch(relative, a.queries, a.keys);
    const Tensor scratch = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(bytes)});
    add_relative_scores(relative, 0, {queries, keys}, kernels, static_cast<std::byte*>(scratch.raw()), a);
    std::vector<float> scores;
    for (std::size_t i = 0; i < a.queries; ++i) {
      const float* row = a.bias + static_cast<std::ptrdiff_t>(i) * a.ld_bias;
      scores.insert(scores.end(), row, row + a.keys);
    }
    return scores;
  }

  // A row depends on its position alone.
  static std::vector<float> rows_at(const std::vector<std::uint32_t>& positions, unsigned seed) {
    std::vector<float> rows;
    for (std::uint32_t p : positions) {
      const auto row = normal(kHeadDim, seed + 100 * p);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
  }

  double want(std::uint32_t query, std::uint32_t key) const {
    const std::ptrdiff_t d = std::clamp<std::ptrdiff_t>(std::ptrdiff_t{key} - std::ptrdiff_t{query}, -kReach, kReach);
    const auto place = static_cast<std::size_t>(relative.places->place[static_cast<std::size_t>(d + kReach)]);
    const std::vector<float> q = rows_at({query}, 7), k = rows_at({key}, 8);
    double score = relative.bias ? relative.bias.data<float>()[d + kReach] : 0.0;
    for (std::size_t i = 0; i < kHeadDim; ++i) {
      if (!relative.query.empty()) score += double{q[i]} * tables[0][place * kHeadDim + i];
      if (!relative.key.empty()) score += double{k[i]} * tables[1][place * kHeadDim + i];
    }
    return score;
  }

  RelativeAttention relative;
  std::vector<std::vector<float>> tables;
};

std::vector<std::uint32_t> from_to(std::uint32_t begin, std::uint32_t end) {
  std::vector<std::uint32_t> positions(end - begin);
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

constexpr Terms kTerms[] = {{true, false, false}, {false, true, false}, {false, false, true},
                            {true, true, false},  {true, false, true},  {true, true, true}};

void check(const Problem& problem, const std::vector<std::uint32_t>& queries, const std::vector<std::uint32_t>& keys,
           const std::vector<float>& mask, double tolerance) {
  const auto got =
      problem.run(queries, keys, mask.empty() ? nullptr : mask.data(), kernels::table(kernels::default_isa()));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    for (std::size_t j = 0; j < keys.size(); ++j) {
      const double want = problem.want(queries[i], keys[j]) + (mask.empty() ? 0.0 : mask[j]);
      if (!(std::abs(got[i * keys.size() + j] - want) <= tolerance)) {
        FAIL("query at " << queries[i] << ", key at " << keys[j] << ": got " << got[i * keys.size() + j] << ", want "
                         << want);
      }
    }
  }
}

// Two chains of 24 products of size about 1, each rounded to 2^-24 of sums below 32.
constexpr double kTolerance = 2 * 24 * 32 * 0x1p-24;

TEST_CASE("Relative scores are the formula's, for text, for a mask with holes and beyond the tables' reach") {
  for (const Terms& terms : kTerms) {
    INFO("terms " << terms.query << terms.key << terms.bias);
    const Problem problem(terms);
    check(problem, from_to(0, 37), from_to(0, 37), {}, kTolerance);
    check(problem, from_to(30, 37), from_to(0, 37), {}, kTolerance);
    check(problem, {0}, from_to(0, 33), {}, kTolerance);
    check(problem, {0, 2, 5, 9, 30, 1, 3}, {0, 2, 5, 9, 30}, {}, kTolerance);
    check(problem, from_to(0, 90), from_to(0, 90), {}, kTolerance);
    check(problem, from_to(0, 5), from_to(0, 5), normal(5, 9), kTolerance);
  }
}

TEST_CASE("int8 tables give the formula's scores to their own precision") {
  const Problem problem({true, true, true}, LinearPrecision::int8);
  // Two products of 24, each factor off by half of 1/127 of its largest, below 4.
  check(problem, from_to(0, 37), from_to(0, 37), {}, 2 * 2 * 24 * 4 * (4.0 / 254));
}

TEST_CASE("A relative score has the same bits wherever its text stands and at every level") {
  for (LinearPrecision precision : {LinearPrecision::fp32, LinearPrecision::int8}) {
    const Problem problem({true, true, true}, precision);
    const auto whole = problem.run(from_to(0, 35), from_to(0, 35), nullptr, kernels::table(kernels::Isa::scalar));
    for (kernels::Isa isa : kernels::kAllIsas) {
      if (!kernels::supported(isa)) continue;
      INFO(kernels::name(isa));
      CHECK(problem.run(from_to(0, 35), from_to(0, 35), nullptr, kernels::table(isa)) == whole);
      const auto last = problem.run(from_to(34, 35), from_to(0, 35), nullptr, kernels::table(isa));
      CHECK(std::equal(last.begin(), last.end(), whole.end() - 35));
    }
  }
}

TEST_CASE("Multiply-adds of relative positions are those of the blocks that are computed") {
  const Problem both({true, true, false}), bias({false, false, true});
  const double once = both.relative.multiply_adds(2, 20, 20);
  const double columns = std::ceil(static_cast<double>(both.relative.places->count()) / 16) * 16;
  CHECK(once >= 2.0 * 2 * kHeadDim * 20 * 20 / 4);
  CHECK(once <= 2.0 * 2 * kHeadDim * 20 * columns);
  CHECK(bias.relative.multiply_adds(2, 20, 20) == 0);
}

}  // namespace
}  // namespace sesame::models
