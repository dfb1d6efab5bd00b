// Rows that row kernels must get right: ordinary ones, and the ends of what a float can be.
#pragma once

#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace sesame::kernels {

struct NamedRow {
  std::string name;
  std::vector<float> x;
};

inline std::vector<float> normal_row(std::size_t n, unsigned seed, float size = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, size);
  std::vector<float> x(n);
  for (float& value : x) value = normal(random);
  return x;
}

// Sizes about every multiple of the lanes, and those of BERT.
inline std::vector<std::size_t> row_sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t n = 1; n <= 70; ++n) sizes.push_back(n);
  for (std::size_t n : {127, 128, 129, 384, 768, 3072}) sizes.push_back(n);
  return sizes;
}

inline std::vector<NamedRow> rows_of(std::size_t n) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const unsigned seed = static_cast<unsigned>(n);
  std::vector<NamedRow> rows = {{"normal", normal_row(n, seed)},
                                {"small", normal_row(n, seed + 1, 1e-20f)},
                                {"denormal", normal_row(n, seed + 2, 1e-40f)},
                                {"huge", normal_row(n, seed + 3, 1e38f)},
                                {"wide", normal_row(n, seed + 4, 30.0f)},
                                {"zeros", std::vector<float>(n, 0.0f)},
                                {"negative zeros", std::vector<float>(n, -0.0f)},
                                {"equal", std::vector<float>(n, 0.7f)},
                                {"all -infinity", std::vector<float>(n, -kInf)}};
  for (float odd : {kInf, -kInf, kNan, -kNan, 3.4e38f}) {
    for (std::size_t place : {std::size_t{0}, n / 2, n - 1}) {
      rows.push_back({std::to_string(odd) + " at " + std::to_string(place), rows[0].x});
      rows.back().x[place] = odd;
    }
  }
  return rows;
}

}  // namespace sesame::kernels
