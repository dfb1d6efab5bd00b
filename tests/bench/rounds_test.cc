#include "bench/rounds.h"

#include "tests/catch.h"

namespace sesame::bench {
namespace {

class Clock final : public Contestant {
 public:
  Clock(std::string name, std::string& log) : name_(std::move(name)), log_(log) {}
  void prepare(const Workload&) override {}
  std::vector<double> time(const Turn& turn) override {
    log_ += name_;
    return std::vector<double>(turn.runs, 2.0);
  }
  std::vector<double> serve(std::span<const double> arrivals) override {
    log_ += name_;
    return std::vector<double>(arrivals.size(), 1.0);
  }
  std::vector<NamedOutput> answer(const TokenBatch&) override { return {}; }
  std::optional<double> peak_mib() override { return {}; }

 private:
  std::string name_;
  std::string& log_;
};

std::vector<Group> two_groups(std::string& log) {
  std::vector<Group> groups(2);
  groups[0].instances.push_back(std::make_unique<Clock>("a", log));
  groups[1].instances.push_back(std::make_unique<Clock>("b", log));
  return groups;
}

TEST_CASE("what is probed is probed before each turn, group by group, in an order that turns round") {
  std::string log;
  const auto groups = two_groups(log);
  const Schedule schedule{.rounds = 2, .runs = 4, .warmup = 0};
  double probes = 0;
  const Watch watch{.tick = [](double) {},
                    .stopped = [] { return false; },
                    .probe =
                        [&](std::size_t g) {
                          log += g == 0 ? "1" : "2";
                          return ++probes;
                        }};
  SECTION("runs") {
    const Rounds rounds = run_rounds(
        groups, schedule, 3, [](std::size_t) { return 1.0; }, watch);
    CHECK(log == "1a2b2b1a");
    CHECK(rounds.probed == std::vector<std::vector<double>>{{1, 4}, {2, 3}});
    CHECK(rounds.of_group[0].size() == 2);
    CHECK(rounds.samples_per_s[1] == std::vector<double>{1500, 1500});
  }
  SECTION("requests that arrive") {
    const Rounds rounds = serve_rounds(groups, schedule, 1000, 1, watch);
    CHECK(log == "1a2b2b1a");
    CHECK(rounds.probed == std::vector<std::vector<double>>{{1, 4}, {2, 3}});
  }
}

TEST_CASE("without a probe nothing is probed, and rounds end when they are told") {
  std::string log;
  const auto groups = two_groups(log);
  const Watch watch{.tick = [](double) {}, .stopped = [] { return true; }, .probe = {}};
  const Rounds rounds = run_rounds(
      groups, {.rounds = 5, .runs = 5, .warmup = 0}, 1, [](std::size_t) { return 1.0; }, watch);
  CHECK(log == "ab");
  CHECK(rounds.probed == std::vector<std::vector<double>>(2));
}

}  // namespace
}  // namespace sesame::bench
