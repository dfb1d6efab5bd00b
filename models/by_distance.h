// Functions of the distance between two positions, as a graph's matrices of them show them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

namespace sesame::models {

// Something for each distance from -reach to reach, of distance d at d + reach.
template <class T>
struct ByDistance {
  std::vector<T> of;
  // Whether what is further away means what the furthest does; where not, it means nothing.
  bool levels_off = false;

  std::ptrdiff_t reach() const { return static_cast<std::ptrdiff_t>(of.size() / 2); }
};

// A matrix [n][n] whose element depends on its column minus its row alone.
template <class T>
std::optional<ByDistance<T>> by_distance(const T* matrix, std::ptrdiff_t n) {
  ByDistance<T> f;
  for (std::ptrdiff_t row = n - 1; row >= 0; --row) f.of.push_back(matrix[row * n]);
  f.of.insert(f.of.end(), matrix + 1, matrix + n);
  for (std::ptrdiff_t row = 0; row < n; ++row) {
    if (!std::equal(matrix + row * n, matrix + (row + 1) * n, f.of.begin() + (n - 1 - row))) return std::nullopt;
  }
  return f;
}

template <class T>
const T& at(const ByDistance<T>& f, std::ptrdiff_t distance) {
  return f.of[static_cast<std::size_t>(std::clamp(distance, -f.reach(), f.reach()) + f.reach())];
}

template <class T>
void reduce(ByDistance<T>& f, std::ptrdiff_t reach) {
  const std::ptrdiff_t less = f.reach() - reach;
  f.of = {f.of.begin() + less, f.of.end() - less};
}

// Whether the outer quarter on both sides is one number each; then the function is cut down to where that begins.
template <class T>
bool level_off(ByDistance<T>& f) {
  std::ptrdiff_t begin = f.reach();
  while (begin > 0 && at(f, begin - 1) == f.of.back() && at(f, 1 - begin) == f.of.front()) --begin;
  if (begin > f.reach() - f.reach() / 4) return false;
  reduce(f, begin);
  f.levels_off = true;
  return true;
}

}  // namespace sesame::models
