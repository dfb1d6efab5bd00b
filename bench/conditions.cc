#include "bench/conditions.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <sstream>

#include "bench/affinity.h"
#include "bench/latency.h"
#include "bench/report.h"
#include "kernels/cores.h"

namespace sesame::bench {
namespace {

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string percent(double share) { return fixed(share * 100, 0) + " %"; }

// The governors of these CPUs other than "performance", each once.
std::set<std::string> slow_governors(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> governors;
  for (const int cpu : cpus) {
    const std::string governor =
        first_line(root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cpufreq/scaling_governor");
    if (!governor.empty() && governor != "performance") governors.insert(governor);
  }
  return governors;
}

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

double own_ms() {
  double total = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    total += milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
  }
  return total;
}

// "cpu  user nice system idle iowait irq softirq steal ..." in ticks: all but idle and iowait.
double busy_ms() {
  std::istringstream line(first_line("/proc/stat"));
  std::string name;
  line >> name;
  double ticks = 0;
  double each = 0;
  for (int i = 0; i < 8 && line >> each; ++i) {
    if (i != 3 && i != 4) ticks += each;
  }
  return ticks * 1000 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Disturbance::Disturbance() : start_ms_(now_ms()), busy_ms_(busy_ms() - own_ms()) {}

double Disturbance::others() const {
  constexpr double kShortestMs = 500;  // /proc/stat counts in ticks of 10 ms
  const double elapsed = now_ms() - start_ms_;
  return elapsed > kShortestMs ? std::max(0.0, busy_ms() - own_ms() - busy_ms_) / elapsed : 0;
}

std::vector<std::string> machine_warnings(const std::string& root, const std::vector<int>& cpus, int threads) {
  std::vector<std::string> warnings;
  for (const std::string& each : slow_governors(root, cpus)) {
    warnings.push_back("the CPU frequency governor is '" + each + "': clocks may change while timing");
  }
  const auto cores = static_cast<int>(one_cpu_a_core(root, cpus).size());
  if (threads > cores) {
    warnings.push_back(std::to_string(threads) + " threads on " + std::to_string(cores) + " physical " +
                       (cores == 1 ? "core" : "cores") + ": some share a core, and each is slower for it");
  }
  const auto quota = kernels::cgroup_quota(root);
  if (quota && *quota < threads) {
    warnings.push_back("a cgroup quota of " + std::to_string(*quota) + " CPUs for " + std::to_string(threads) +
                       " threads: the system will pause them");
  }
  return warnings;
}

double spread(std::span<const Round> rounds) {
  std::vector<double> medians;
  for (const Round& each : rounds) {
    std::vector<double> runs = each.milliseconds;
    std::ranges::sort(runs);
    medians.push_back(quantile(runs, 0.5));
  }
  std::ranges::sort(medians);
  return (quantile(medians, 0.9) - quantile(medians, 0.1)) / quantile(medians, 0.5);
}

std::optional<std::string> noise_warning(double spread, std::span<const Ratio> ratios, double others) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  const auto width = [](const Ratio& ratio) { return (ratio.high - ratio.low) / ratio.value; };
  const auto widest = std::ranges::max_element(ratios, {}, width);
  if (widest != ratios.end() && width(*widest) > kMostSpread) {
    add("a ratio is only known to lie between " + fixed(widest->low, 2) + " and " + fixed(widest->high, 2));
  } else if (spread > kMostSpread) {
    add("the rounds' medians lie " + percent(spread) + " apart");
  }
  if (others > Disturbance::kMostOthers) add("other processes kept " + fixed(others, 2) + " CPUs busy meanwhile");
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace sesame::bench
