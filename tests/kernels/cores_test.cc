#include "kernels/cores.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernels/parallel.h"
#include "tests/catch.h"

using namespace sesame::kernels;
namespace fs = std::filesystem;

namespace {

// A folder that stands for the root of a system, gone at the end of the test.
class FakeRoot {
 public:
  FakeRoot() : path_(fs::temp_directory_path() / ("sesame_cores_" + std::to_string(getpid()))) {
    fs::remove_all(path_);
  }
  ~FakeRoot() { fs::remove_all(path_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

}  // namespace

TEST_CASE("SMT siblings count as one core") {
  FakeRoot root;
  const auto siblings = [&](int cpu, const char* list) {
    root.write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list", list);
  };
  siblings(0, "0,2\n");
  siblings(1, "1,3\n");
  siblings(2, "0,2\n");
  siblings(3, "1,3\n");
  CHECK(physical_cores(root.path(), {0, 1, 2, 3}) == 2);
  CHECK(physical_cores(root.path(), {0, 2}) == 1);
  CHECK(physical_cores(root.path(), {2, 3}) == 2);
  CHECK(physical_cores(root.path(), {7, 8}) == 2);  // no such files
}

TEST_CASE("cgroup v2: the smallest quota on the way up, rounded up") {
  FakeRoot root;
  root.write("proc/self/cgroup", "0::/a/b\n");
  CHECK_FALSE(cgroup_quota(root.path()).has_value());
  root.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK_FALSE(cgroup_quota(root.path()).has_value());
  root.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  CHECK(cgroup_quota(root.path()) == 2);
  root.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(cgroup_quota(root.path()) == 1);
}

TEST_CASE("cgroup v1") {
  FakeRoot root;
  root.write("proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/x\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(cgroup_quota(root.path()).has_value());
  root.write("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n");
  CHECK(cgroup_quota(root.path()) == 3);
}

TEST_CASE("cgroup files with nonsense limit nothing") {
  FakeRoot root;
  for (const char* text : {"", "0::", "no colons", "0::relative", "::::/\n"}) {
    root.write("proc/self/cgroup", text);
    CHECK_FALSE(cgroup_quota(root.path()).has_value());
  }
  root.write("proc/self/cgroup", "0::/\n");
  for (const char* text : {"", "-5 100", "100 0", "x y", "100"}) {
    root.write("sys/fs/cgroup/cpu.max", text);
    CHECK_FALSE(cgroup_quota(root.path()).has_value());
  }
}

TEST_CASE("there is at least one core") { CHECK(available_cores() >= 1); }
