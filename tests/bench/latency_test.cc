#include "bench/latency.h"

#include <cmath>

#include "tests/catch.h"

using namespace sesame::bench;

TEST_CASE("quantiles lie between neighbours in proportion") {
  const std::vector<double> values = {10, 20, 30, 50};
  CHECK(quantile(values, 0) == 10);
  CHECK(quantile(values, 1) == 50);
  CHECK(quantile(values, 0.5) == 25);          // position 1.5
  CHECK(quantile(values, 0.9) == Approx(44));  // position 2.7: 30 + 0.7 * 20
  CHECK(quantile(std::vector<double>{7}, 0.99) == 7);
}

TEST_CASE("latency figures of four runs, worked out by hand") {
  const Latency latency = summarize({50, 10, 30, 20});  // in no order
  CHECK(latency.mean == Approx(27.5));
  CHECK(latency.std == Approx(std::sqrt(875.0 / 3)));  // 17.5^2 + 7.5^2 + 2.5^2 + 22.5^2 = 875
  CHECK(latency.min == 10);
  CHECK(latency.p50 == 25);
  CHECK(latency.p90 == Approx(44));
  CHECK(latency.p99 == Approx(49.4));  // position 2.97: 30 + 0.97 * 20
}

TEST_CASE("a single run has no deviation") {
  const Latency latency = summarize({3});
  CHECK(latency.mean == 3);
  CHECK(latency.std == 0);
  CHECK(latency.p99 == 3);
}

TEST_CASE("warm-up runs are not timed, and both count from 0") {
  std::vector<std::size_t> calls;
  std::vector<double> shares;
  const Timing timing{.warmup = 2, .runs = 3, .seconds = 0};
  const auto times = time_runs(
      timing, [&](std::size_t i) { calls.push_back(i); }, [&](double share) { shares.push_back(share); });
  CHECK(times.size() == 3);
  CHECK(calls == std::vector<std::size_t>{0, 1, 0, 1, 2});
  REQUIRE(shares.size() == 3);
  CHECK(shares[0] == Approx(1.0 / 3));
  CHECK(shares[2] == 1);
}

TEST_CASE("with a time budget there are as many runs as fit, at least one") {
  const auto nothing = [](double) {};
  const auto wait = [](std::size_t) {
    for (double ms = 0; ms < 1;)
      ms += time_once([] {
        volatile int x = 0;
        while (x < 1000) x = x + 1;
      });
  };
  const auto times = time_runs({.warmup = 0, .runs = 1, .seconds = 0.01}, wait, nothing);
  CHECK(times.size() >= 1);
  CHECK(times.size() <= 11);  // each takes 1 ms or more
  CHECK(time_runs({.warmup = 0, .runs = 5, .seconds = 1e-9}, wait, nothing).size() == 1);
}
