#include "models/synthesis/random.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/catch.h"

namespace sesame::models::synthesis {
namespace {

using engine::Tensor;

TEST_CASE("the weights are these numbers, on every machine") {
  SplitMix64 random(0);
  CHECK(random.next() == 0xE220A8397B1DCDAFu);  // the published generator's first number from 0
  const Tensor weight = random_tensor(1, "w", {4}, {0.0f, 1.0f});
  const std::vector<float> want = {-0x1.bc46b6p-4f, 0x1.7ffa06p-2f, -0x1.8b0adcp+0f, 0x1.94a006p-5f};
  CHECK(std::vector<float>(weight.span<float>().begin(), weight.span<float>().end()) == want);
}

TEST_CASE("made weights have the asked mean and deviation") {
  const Tensor weight = random_tensor(1, "w", {1 << 18}, {1.0f, 0.05f});
  double sum = 0;
  double squares = 0;
  double largest = 0;
  for (const float value : weight.span<float>()) {
    const double z = (static_cast<double>(value) - 1.0) / 0.05;
    sum += z;
    squares += z * z;
    largest = std::max(largest, std::abs(z));
  }
  const double n = 1 << 18;
  // Five standard errors: 1/sqrt(n) of the mean, sqrt(kurtosis - 1)/sqrt(n) < sqrt(2/n) of the second moment.
  CHECK(std::abs(sum / n) <= 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) <= 5 * std::sqrt(2 / n));
  CHECK(largest > 4);
  CHECK(largest < 4.91);
}

}  // namespace
}  // namespace sesame::models::synthesis
