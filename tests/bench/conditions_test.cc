#include "bench/conditions.h"

#include "bench/affinity.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame::bench;
using sesame::test::TempDir;

namespace {

constexpr const char* kCpu = "sys/devices/system/cpu/cpu";

// Two cores of two siblings each: 0 and 2, 1 and 3.
void add_cores(const TempDir& root) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    const std::string siblings = cpu % 2 == 0 ? "0,2\n" : "1,3\n";
    root.write(kCpu + std::to_string(cpu) + "/topology/thread_siblings_list", siblings);
  }
}

}  // namespace

TEST_CASE("siblings count as one core, and more threads than cores are warned of") {
  const TempDir root;
  add_cores(root);
  const std::vector<int> cpus = {0, 1, 2, 3};
  CHECK(one_cpu_a_core(root.path(), cpus) == std::vector<int>{0, 1});
  CHECK(machine_warnings(root.path(), cpus, 2).empty());
  const auto warnings = machine_warnings(root.path(), cpus, 3);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("3 threads on 2 physical cores") != std::string::npos);
}

TEST_CASE("a governor that changes clocks and a quota below the threads are warned of") {
  const TempDir root;
  add_cores(root);
  root.write(kCpu + std::string("0/cpufreq/scaling_governor"), "performance\n");
  root.write(kCpu + std::string("1/cpufreq/scaling_governor"), "powersave\n");
  root.write("proc/self/cgroup", "0::/box\n");
  root.write("sys/fs/cgroup/cgroup.controllers", "cpu\n");
  root.write("sys/fs/cgroup/box/cpu.max", "100000 100000\n");
  const auto warnings = machine_warnings(root.path(), {0, 1}, 2);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].find("'powersave'") != std::string::npos);
  CHECK(warnings[1].find("quota of 1 CPUs") != std::string::npos);
  CHECK(machine_warnings(root.path(), {0}, 1).empty());
}

TEST_CASE("instances get cores of their own, neighbours together") {
  CHECK(instance_cpus({0, 2, 4, 6}, 2, 2) == std::vector<std::vector<int>>{{0, 2}, {4, 6}});
  CHECK_THROWS_AS(instance_cpus({0, 1}, 2, 2), sesame::Error);
}

TEST_CASE("what rounds and ratios say of the noise") {
  const std::vector<Round> steady(10, Round{{10, 11, 10}, 3});
  CHECK(spread(steady) == 0);
  std::vector<Round> two_speeds = steady;
  for (std::size_t i = 0; i < 5; ++i) two_speeds[i].milliseconds = {20, 20, 20};
  CHECK(spread(two_speeds) == Approx(10.0 / 15));
  CHECK(!noise_warning(0.05, {}, 0));
  CHECK(noise_warning(0.2, {}, 0)->find("20 % apart") != std::string::npos);
  const std::vector<Ratio> ratios = {{2, 1.99, 2.01}, {1, 0.9, 1.2}};
  CHECK(noise_warning(0, ratios, 0)->find("between 0.90 and 1.20") != std::string::npos);
  CHECK(noise_warning(0, {}, 1.5)->find("1.50 CPUs") != std::string::npos);
}

TEST_CASE("this process's own work is no disturbance") {
  const Disturbance disturbance;
  CHECK(disturbance.others() == 0);  // too early to tell
}
