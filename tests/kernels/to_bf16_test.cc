// to_bf16_row of every level, and rounding to bf16 held against its definition.
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/fp_env.h"
#include "kernels/pack.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/hostile_host.h"
#include "tests/kernels/row_values.h"

namespace sesame::kernels {
namespace {

struct Example {
  std::uint32_t x;
  std::uint16_t y;
};

constexpr Example kExamples[] = {
    {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3F800000, 0x3F80}, {0x3F808000, 0x3F80},  // half to even: down
    {0x3F818000, 0x3F82}, {0x3F808001, 0x3F81}, {0x3F807FFF, 0x3F80}, {0xBF818000, 0xBF82},  // half to even: up
    {0x7F7FFFFF, 0x7F80}, {0x7F7F7FFF, 0x7F7F}, {0x7F7F8000, 0x7F80}, {0xFF7FFFFF, 0xFF80},  // beyond the range
    {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x7F800001, 0x7FC0}, {0xFF800001, 0xFFC0},  // NaN with low bits only
    {0x7FC00000, 0x7FC0}, {0x7FFFFFFF, 0x7FFF}, {0x00800000, 0x0080}, {0x007FFFFF, 0x0000},  // denormals are zero
    {0x807FFFFF, 0x8000}, {0x00000001, 0x0000}, {0x80000001, 0x8000}, {0x007F8000, 0x0000},
};

// Rounding by comparing with the two neighbours, in double.
std::uint16_t nearest(float x) {
  if (std::abs(x) < 0x1p-126f) return std::signbit(x) ? 0x8000 : 0;
  const auto below = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16);
  const auto value = [](std::uint32_t bits) { return static_cast<double>(std::bit_cast<float>(bits << 16)); };
  const double down = std::abs(x - value(below));
  const double up = (below & 0x7FFF) == 0x7F7F ? std::abs(0x1p128 - std::abs(static_cast<double>(x)))
                                               : std::abs(value(below + 1u) - x);
  return down < up || (down == up && below % 2 == 0) ? below : static_cast<std::uint16_t>(below + 1);
}

}  // namespace

TEST_CASE("to_bf16_row rounds half to even, keeps NaN and infinity and flushes denormals") {
  for (Isa isa : runnable_isas()) {
    for (const Example& example : kExamples) {
      const float x = std::bit_cast<float>(example.x);
      std::uint16_t y[2];
      table(isa).to_bf16_row(&x, 1, y);
      CAPTURE(name(isa), example.x, example.y);
      CHECK(y[0] == example.y);
      CHECK(y[1] == 0);
      // The same in the middle of a vector.
      const std::vector<float> many(32, x);
      std::uint16_t all[32];
      table(isa).to_bf16_row(many.data(), 32, all);
      CHECK(all[0] == example.y);
      CHECK(all[31] == example.y);
      Guarded<std::uint16_t> packed(packed_bf16_size(1, 1));
      pack_bf16(&x, 1, 1, 1, 1, packed.data());
      CHECK(packed[0] == example.y);
    }
  }
}

TEST_CASE("to_bf16_row gives the nearest bf16") {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    std::vector<float> x(1000);
    for (float& value : x) {
      do value = std::bit_cast<float>(static_cast<std::uint32_t>(random()) & (round % 2 ? 0xFFFF8000 : 0xFFFFFFFF));
      while (!std::isfinite(value));
    }
    for (Isa isa : runnable_isas()) {
      std::vector<std::uint16_t> y(1000);
      table(isa).to_bf16_row(x.data(), x.size(), y.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        CAPTURE(name(isa), x[i]);
        if (y[i] != nearest(x[i])) REQUIRE(y[i] == nearest(x[i]));
      }
    }
  }
}

TEST_CASE("to_bf16_row gives the same bits at every level, in its bounds, whatever the host has set") {
  for (std::size_t n : row_sizes()) {
    for (const NamedRow& row : rows_of(n)) {
      Guarded<std::uint16_t> want(round_up(n, 2), 99);
      table(Isa::scalar).to_bf16_row(row.x.data(), n, want.data());
      for (Isa isa : runnable_isas()) {
        CAPTURE(name(isa), n, row.name);
        Fenced<float> x(row.x);
        Guarded<std::uint16_t> got(round_up(n, 2), 77);
        const HostileHost host;
        const DefaultFpEnvironment environment;
        table(isa).to_bf16_row(x.data(), n, got.data());
        CHECK(want.same_bytes(got));
        CHECK(got.intact());
        if (n % 2) CHECK(got[n] == 0);
      }
    }
  }
}

}  // namespace sesame::kernels
