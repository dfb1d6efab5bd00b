// relative_row of every level against its reference, bit for bit, in its bounds and in place.
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "kernels/reference_rows.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/row_values.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

constexpr std::size_t kPlaces = 37, kStride = 41;

struct Terms {
  bool bias, query, key;
};

constexpr Terms kTerms[] = {{false, false, false}, {true, false, false}, {false, true, false}, {false, false, true},
                            {true, true, false},   {true, false, true},  {false, true, true},  {true, true, true}};

// Only what may be read is there: `places` of each row, the last one's end at the end of the memory.
struct Problem {
  Problem(std::size_t n, unsigned seed)
      : bias(normal_row(n, seed)),
        query(normal_row(kPlaces, seed + 1)),
        key(normal_row((n - 1) * kStride + kPlaces, 5)) {
    std::mt19937 random(seed);
    std::vector<std::int32_t> places(n);
    for (std::int32_t& place : places) place = static_cast<std::int32_t>(random() % kPlaces);
    index.emplace(places);
    query[3] = -0.0f;
  }
  RelativeRow row(const Terms& terms, const float* bias_row, const float* query_row, const float* key_rows, float* y) {
    return {index->data(),
            terms.bias ? bias_row : nullptr,
            terms.query ? query_row : nullptr,
            terms.key ? key_rows : nullptr,
            kStride,
            bias.size(),
            y};
  }

  std::vector<float> bias, query, key;
  std::optional<Fenced<std::int32_t>> index;
};

void check(const Table& t, Problem& p, const Terms& terms) {
  const std::size_t n = p.bias.size();
  INFO("relative_row at " << name(t.isa) << ", n " << n << ", terms " << terms.bias << terms.query << terms.key);
  std::vector<float> want(n);
  reference::relative_row(p.row(terms, p.bias.data(), p.query.data(), p.key.data(), want.data()));
  Fenced<float> bias(p.bias), query(p.query), key(p.key);
  Guarded<float> y(n, 99.0f);
  t.relative_row(p.row(terms, bias.data(), query.data(), key.data(), y.data()));
  CHECK(difference(want.data(), y.data(), n) == "");
  CHECK(y.intact());
  t.relative_row(p.row(terms, bias.data(), query.data(), key.data(), bias.data()));
  CHECK(difference(want.data(), bias.data(), n) == "");
}

TEST_CASE("relative_row gives the reference's bits at every level, in its bounds and in place") {
  for (std::size_t n : {1, 2, 15, 16, 17, 31, 32, 33, 48, 77, 128}) {
    Problem problem(n, static_cast<unsigned>(n));
    for (Isa isa : supported_isas()) {
      for (const Terms& terms : kTerms) check(table(isa), problem, terms);
    }
  }
}

TEST_CASE("a relative row is bias, the query's product and the key's, added in that order") {
  const std::int32_t index[] = {2, 0};
  const float bias[] = {1.0f, 2.0f}, query[] = {10.0f, 20.0f, 30.0f}, key[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f};
  float y[2];
  reference::relative_row({index, bias, query, key, 3, 2, y});
  CHECK(y[0] == (1.0f + 30.0f) + 0.3f);
  CHECK(y[1] == (2.0f + 10.0f) + 0.4f);
}

}  // namespace
}  // namespace sesame::kernels
