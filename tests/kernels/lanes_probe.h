// The operations of kernels/lanes.h as plain functions, one set a level, so that lanes_test.cc can call every level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sesame::kernels {

// What each operation gives for lanes a, b, c; integers i, j.
struct LaneResults {
  float add[16], subtract[16], multiply[16], divide[16], fma[16], sqrt[16], min[16], max[16], abs[16], min_abs[16],
      copysign[16];
  float a_less_b[16], nan[16];  // 1 where true, else 0
  float round[16], from_nearest[16], to_float[16], from_bits[16], lookup[16], gather[16], splat[16];
  std::int32_t to_int[16], bits[16], add_int[16], and_int[16], max_int[16], max_of_each[16], shift_23[16];
  float reduce_add, reduce_max, sqrt_one;
  std::int32_t reduce_max_int;
};

struct LanesProbe {
  void (*run)(const float* a, const float* b, const float* c, const std::int32_t* i, const std::int32_t* j,
              LaneResults* results);
  void (*exp2_coarse)(const float* x, std::size_t n, float* y);  // of math_lanes.h; n in 16s
  void (*load_part)(const float* p, std::size_t n, float fill, float* lanes);
  void (*store_part)(const float* lanes, std::size_t n, float* p);
  void (*first)(const float* lanes, std::size_t n, float fill, float* result);
  void (*load_transposed)(const float* const* row, std::size_t d, float* columns);  // [4][16]
  void (*store_u8_64)(const std::int32_t* values, std::uint8_t* p);
  void (*store_plus_128_64)(const std::int32_t* values, std::uint8_t* p);
  void (*store_u8)(const std::int32_t* values, std::uint8_t* p);
  void (*store_u8_part)(const std::int32_t* values, std::size_t n, std::uint8_t* p);
};

namespace scalar {
LanesProbe lanes_probe();
}
namespace avx2 {
LanesProbe lanes_probe();
}
namespace avx512 {
LanesProbe lanes_probe();
}

}  // namespace sesame::kernels
