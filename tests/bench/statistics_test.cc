#include "bench/statistics.h"

#include "tests/catch.h"

using namespace sesame::bench;

TEST_CASE("a ratio of medians is that of all runs, whatever the round") {
  const std::vector<Round> a = {{{10, 30}, 2}, {{20}, 1}};  // median 20
  const std::vector<Round> b = {{{5, 4}, 2}, {{900}, 1}};   // median 5
  CHECK(time_ratio(a, b, Average::median).value == 4);
}

TEST_CASE("a ratio of rates is time a unit of work") {
  const std::vector<Round> a = {{{10, 30}, 4}, {{20}, 2}};  // 60 ms for 6
  const std::vector<Round> b = {{{8}, 2}, {{4, 4}, 2}};     // 16 ms for 4
  CHECK(time_ratio(a, b, Average::rate).value == Approx(2.5));
}

TEST_CASE("rounds that all say the same leave no doubt") {
  const std::vector<Round> a(10, Round{{3, 3}, 2});
  const std::vector<Round> b(10, Round{{2, 2}, 2});
  const Ratio ratio = time_ratio(a, b, Average::median);
  CHECK(ratio.low == 1.5);
  CHECK(ratio.high == 1.5);
}

TEST_CASE("what disturbs both neighbours leaves their ratio sure, what disturbs one does not") {
  std::vector<Round> a;
  std::vector<Round> b;
  for (int i = 0; i < 10; ++i) {
    const double slow = i % 2 == 0 ? 1 : 3;  // every other round
    a.push_back({{20 * slow}, 1});
    b.push_back({{10 * slow}, 1});
  }
  const Ratio together = time_ratio(a, b, Average::rate);
  CHECK(together.low == Approx(2));
  CHECK(together.high == Approx(2));
  std::ranges::rotate(b, b.begin() + 1);
  const Ratio apart = time_ratio(a, b, Average::rate);
  CHECK(apart.value == Approx(2));
  CHECK(apart.low < 1.6);
  CHECK(apart.high > 2.5);
}

TEST_CASE("the interval of two rounds, worked out by hand") {
  // Resamples are the pairs (1,1), (1,2), (2,1), (2,2) with ratios 1, 2, 2, 3: a quarter of them each.
  const std::vector<Round> a = {{{1}, 1}, {{3}, 1}};
  const std::vector<Round> b = {{{1}, 1}, {{1}, 1}};
  const Ratio ratio = time_ratio(a, b, Average::rate);
  CHECK(ratio.value == 2);
  CHECK(ratio.low == 1);
  CHECK(ratio.high == 3);
}
