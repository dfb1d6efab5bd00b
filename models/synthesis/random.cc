#include "models/synthesis/random.h"

#include <utility>

namespace sesame::models::synthesis {

namespace {

// Four 16-bit numbers as two sums of two, side by side in 32 bits each.
std::uint64_t pair_sums(std::uint64_t draw) {
  constexpr std::uint64_t kEven = 0x0000FFFF0000FFFFu;
  return (draw & kEven) + ((draw >> 16) & kEven);
}

// The sum of eight uniform numbers of 16 bits less its mean, 8 * 65535 / 2.
std::int32_t centred_sum(SplitMix64& random) {
  const std::uint64_t first = random.next();
  const std::uint64_t sums = pair_sums(first) + pair_sums(random.next());
  return static_cast<std::int32_t>((sums & 0xFFFFFFFFu) + (sums >> 32)) - 262140;
}

// The standard deviation of that sum: sqrt(8 * (2^32 - 1) / 12).
constexpr double kSumDeviation = 53509.91992145;

}  // namespace

SplitMix64 stream(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return SplitMix64(SplitMix64(seed).next() ^ hash);
}

engine::Tensor random_tensor(std::uint64_t seed, std::string_view name, engine::Shape shape,
                             Distribution distribution) {
  engine::Tensor tensor = engine::Tensor::allocate(engine::DType::f32, std::move(shape));
  SplitMix64 random = stream(seed, name);
  const auto scale = static_cast<float>(static_cast<double>(distribution.deviation) / kSumDeviation);
  float* const values = tensor.data<float>();
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    values[i] = distribution.mean + scale * static_cast<float>(centred_sum(random));
  }
  return tensor;
}

}  // namespace sesame::models::synthesis
