#include "kernels/lanes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "tests/catch.h"
#include "tests/kernels/fenced.h"
#include "tests/kernels/guarded.h"
#include "tests/kernels/lanes_probe.h"
#include "tests/kernels/same_bits.h"

namespace sesame::kernels {
namespace {

struct Level {
  Isa isa;
  LanesProbe probe;
};

std::vector<Level> levels() {
  std::vector<Level> all = {{Isa::scalar, scalar::lanes_probe()}};
  if (supported(Isa::avx2)) all.push_back({Isa::avx2, avx2::lanes_probe()});
  if (supported(Isa::avx512)) all.push_back({Isa::avx512, avx512::lanes_probe()});
  return all;
}

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What the header promises, a lane at a time.
LaneResults expected(const float* a, const float* b, const float* c, const std::int32_t* i, const std::int32_t* j) {
  LaneResults r;
  for (int l = 0; l < 16; ++l) {
    r.add[l] = a[l] + b[l];
    r.subtract[l] = a[l] - b[l];
    r.multiply[l] = a[l] * b[l];
    r.divide[l] = a[l] / b[l];
    r.fma[l] = std::fma(a[l], b[l], c[l]);
    r.sqrt[l] = std::sqrt(a[l]);
    r.min[l] = a[l] < b[l] ? a[l] : b[l];
    r.max[l] = a[l] > b[l] ? a[l] : b[l];
    r.abs[l] = std::abs(a[l]);
    r.min_abs[l] = std::isnan(a[l]) ? 0.0f : std::min(std::abs(a[l]), 1.5f);
    r.copysign[l] = std::copysign(a[l], b[l]);
    r.a_less_b[l] = a[l] < b[l] ? 1.0f : 0.0f;
    r.nan[l] = std::isnan(a[l]) ? 1.0f : 0.0f;
    r.round[l] = std::nearbyint(a[l]);
    const float finite = std::isinf(a[l]) ? 0.0f : a[l];
    r.from_nearest[l] = (finite - std::nearbyint(finite)) + 0.0f;  // zeros lose their sign
    r.to_float[l] = static_cast<float>(i[l]);
    std::memcpy(&r.from_bits[l], &i[l], 4);
    r.lookup[l] = b[i[l] & 15];
    r.gather[l] = b[i[l] & 7];
    r.splat[l] = a[3];
    const bool fits = a[l] >= -2147483648.0f && a[l] < 2147483648.0f;
    r.to_int[l] = fits ? static_cast<std::int32_t>(std::nearbyint(a[l])) : std::numeric_limits<std::int32_t>::min();
    std::memcpy(&r.bits[l], &a[l], 4);
    r.add_int[l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(i[l]) + static_cast<std::uint32_t>(j[l]));
    r.and_int[l] = i[l] & j[l];
    r.max_int[l] = std::max(i[l], j[l]);
    std::uint32_t greatest = 0x80000000;
    for (int k = 0; k < 16; ++k) {
      const std::uint32_t value = static_cast<std::uint32_t>(i[k]) +
                                  static_cast<std::uint32_t>(l) * 0x10000001u * static_cast<std::uint32_t>(j[k]);
      greatest = std::max(static_cast<std::int32_t>(value), static_cast<std::int32_t>(greatest));
    }
    r.max_of_each[l] = static_cast<std::int32_t>(greatest);
    r.shift_23[l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(i[l]) << 23);
  }
  float sum[16], highest[16];
  std::copy_n(a, 16, sum);
  std::copy_n(a, 16, highest);
  for (int width : {8, 4, 2, 1}) {
    for (int l = 0; l < width; ++l) sum[l] = sum[l] + sum[l + width];
    for (int l = 0; l < width; ++l) highest[l] = highest[l] > highest[l + width] ? highest[l] : highest[l + width];
  }
  r.reduce_add = sum[0];
  r.reduce_max = highest[0];
  r.sqrt_one = std::sqrt(a[0]);
  r.reduce_max_int = *std::max_element(i, i + 16);
  return r;
}

#define CHECK_FLOATS(field) CHECK(difference(want.field, got.field, 16) == "")
#define CHECK_INTS(field) CHECK(std::equal(want.field, want.field + 16, got.field))

void check_same(const LaneResults& want, const LaneResults& got) {
  CHECK_FLOATS(add);
  CHECK_FLOATS(subtract);
  CHECK_FLOATS(multiply);
  CHECK_FLOATS(divide);
  CHECK_FLOATS(fma);
  CHECK_FLOATS(sqrt);
  CHECK_FLOATS(min);
  CHECK_FLOATS(max);
  CHECK_FLOATS(abs);
  CHECK_FLOATS(min_abs);
  CHECK_FLOATS(copysign);
  CHECK_FLOATS(a_less_b);
  CHECK_FLOATS(nan);
  CHECK_FLOATS(round);
  CHECK_FLOATS(from_nearest);
  CHECK_FLOATS(to_float);
  CHECK_FLOATS(from_bits);
  CHECK_FLOATS(lookup);
  CHECK_FLOATS(gather);
  CHECK_FLOATS(splat);
  CHECK_INTS(to_int);
  CHECK_INTS(bits);
  CHECK_INTS(add_int);
  CHECK_INTS(and_int);
  CHECK_INTS(max_int);
  CHECK_INTS(max_of_each);
  CHECK_INTS(shift_23);
  CHECK(same_bits(want.reduce_add, got.reduce_add));
  CHECK(same_bits(want.reduce_max, got.reduce_max));
  CHECK(same_bits(want.sqrt_one, got.sqrt_one));
  CHECK(want.reduce_max_int == got.reduce_max_int);
}

// Any bits half of the time, values that operations treat specially the other half.
float random_float(std::mt19937& random) {
  static constexpr float kSpecial[] = {0.0f,       -0.0f,      1.0f,          -1.0f,       0.5f,   1.5f, 2.5f,
                                       -2.5f,      1e-40f,     -1e-45f,       3e38f,       -3e38f, kInf, -kInf,
                                       8388607.5f, 8388608.0f, 2147483648.0f, 0.49999997f, kNan};
  const std::uint32_t any = random();
  return any % 2 ? kSpecial[any / 2 % std::size(kSpecial)] : std::bit_cast<float>(static_cast<std::uint32_t>(random()));
}

}  // namespace

TEST_CASE("Every operation on lanes gives the plain result at every level") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    float a[16], b[16], c[16];
    std::int32_t i[16], j[16];
    for (float* p : {a, b, c}) std::generate_n(p, 16, [&] { return random_float(random); });
    for (std::int32_t* p : {i, j}) std::generate_n(p, 16, [&] { return static_cast<std::int32_t>(random()); });
    const LaneResults want = expected(a, b, c, i, j);
    for (const Level& level : levels()) {
      INFO(name(level.isa) << ", round " << round);
      LaneResults got;
      level.probe.run(a, b, c, i, j, &got);
      check_same(want, got);
    }
  }
}

TEST_CASE("fma rounds once at every level") {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, and the last bit is lost when the product is rounded on its own.
  float a[16], c[16];
  std::int32_t i[16] = {};
  std::fill_n(a, 16, 1.0f + 0x1p-12f);
  std::fill_n(c, 16, -(1.0f + 0x1p-11f));
  for (const Level& level : levels()) {
    INFO(name(level.isa));
    LaneResults got;
    level.probe.run(a, a, c, i, i, &got);
    for (float y : got.fma) CHECK(y == 0x1p-24f);
  }
}

TEST_CASE("Partial loads and stores touch the first n lanes only") {
  std::vector<float> lanes(16);
  std::iota(lanes.begin(), lanes.end(), 1.0f);
  for (const Level& level : levels()) {
    for (std::size_t n = 0; n <= 16; ++n) {
      INFO(name(level.isa) << ", n " << n);
      Fenced<float> row(std::vector<float>(lanes.begin(), lanes.begin() + static_cast<std::ptrdiff_t>(n)));
      float want[16], got[16];
      for (std::size_t l = 0; l < 16; ++l) want[l] = l < n ? lanes[l] : -7.0f;
      level.probe.load_part(row.data(), n, -7.0f, got);
      CHECK(difference(want, got, 16) == "");
      level.probe.first(lanes.data(), n, -7.0f, got);
      CHECK(difference(want, got, 16) == "");
      Guarded<float> stored(n, 99.0f);
      level.probe.store_part(lanes.data(), n, stored.data());
      CHECK(stored.intact());
      CHECK(difference(lanes.data(), stored.data(), n) == "");
    }
  }
}

TEST_CASE("Lanes are stored as bytes in order") {
  std::vector<std::int32_t> values(64);
  for (int l = 0; l < 64; ++l) values[l] = (l * 37 + 250) % 256;
  const auto matches = [&](const Guarded<std::uint8_t>& bytes) {
    return bytes.intact() && std::equal(bytes.data(), bytes.data() + bytes.size(), values.begin());
  };
  for (const Level& level : levels()) {
    INFO(name(level.isa));
    Guarded<std::uint8_t> all(64), one(16);
    level.probe.store_u8_64(values.data(), all.data());
    CHECK(matches(all));
    std::vector<std::int32_t> less(values);
    for (std::int32_t& v : less) v -= 128;
    Guarded<std::uint8_t> plus(64);
    level.probe.store_plus_128_64(less.data(), plus.data());
    CHECK(matches(plus));
    level.probe.store_u8(values.data(), one.data());
    CHECK(matches(one));
    for (std::size_t n = 0; n <= 16; ++n) {
      Guarded<std::uint8_t> part(n);
      level.probe.store_u8_part(values.data(), n, part.data());
      CHECK(matches(part));
    }
  }
}

TEST_CASE("load_transposed turns four columns of 16 rows") {
  std::vector<float> matrix(16 * 10);
  std::iota(matrix.begin(), matrix.end(), 0.0f);
  const float* row[16];
  for (int l = 0; l < 16; ++l) row[l] = matrix.data() + 10 * ((l * 5) % 16);
  for (const Level& level : levels()) {
    INFO(name(level.isa));
    float got[64], want[64];
    for (int i = 0; i < 4; ++i) {
      for (int l = 0; l < 16; ++l) want[16 * i + l] = row[l][3 + i];
    }
    level.probe.load_transposed(row, 3, got);
    CHECK(difference(want, got, 64) == "");
  }
}

}  // namespace sesame::kernels
