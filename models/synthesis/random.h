// Seeded numbers for made-up weights and words.
//
// Integers come from SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
//   state += 0x9E3779B97F4A7C15; z = state; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
//   z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31
// A nearly normal number is the sum of eight uniform 16-bit numbers, the quarters of two draws, centred and scaled to
// the wanted deviation: integers and one multiply-add in two roundings, no libm, so the bits are the same everywhere.
// Its largest value is 4.9 deviations, its kurtosis 0.15 below a normal's.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/tensor.h"

namespace sesame::models::synthesis {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t state) : state_(state) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound) for a small bound (the bias is below bound / 2^64).
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

// The generator of one named thing. It depends on the seed and the name alone, so that a layer keeps its weights
// whatever else the model holds.
SplitMix64 stream(std::uint64_t seed, std::string_view name);

struct Distribution {
  float mean = 0.0f;
  float deviation = 0.02f;  // BERT's initializer_range
};

// A trained model's LayerNorm and biases are neither 1 nor 0, and a mistake in them should show.
inline constexpr Distribution kKernel{0.0f, 0.02f};
inline constexpr Distribution kBias{0.0f, 0.02f};
inline constexpr Distribution kGain{1.0f, 0.05f};
inline constexpr Distribution kShift{0.0f, 0.05f};

// A float32 tensor of nearly normal numbers, drawn in row-major order from stream(seed, name).
engine::Tensor random_tensor(std::uint64_t seed, std::string_view name, engine::Shape shape, Distribution distribution);

}  // namespace sesame::models::synthesis
