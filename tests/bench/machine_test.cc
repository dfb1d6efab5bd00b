#include "bench/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "bench/memory.h"
#include "tests/catch.h"

using namespace sesame::bench;

TEST_CASE("the machine is described by the levels it has") {
  const Machine machine = describe_machine();
  CHECK(machine.cores >= 1);
  CHECK(machine.logical_cpus >= machine.cores);
  CHECK(machine.memory_mib > 0);
  REQUIRE(!machine.levels.empty());
  CHECK(machine.levels.front() == "scalar");
  CHECK(std::ranges::find(machine.levels, machine.isa) != machine.levels.end());
}

TEST_CASE("the resident peak is at least what is resident, and follows what is touched") {
  const auto before = resident_mib();
  if (!before) return;  // no /proc
  const bool forgotten = forget_peak();
  // A mapping of its own: an allocator, and a sanitizer's more so, may keep what is freed.
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  void* block = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(block != MAP_FAILED);
  std::memset(block, 1, kBytes);
  CHECK(*resident_mib() >= *before + 32);
  munmap(block, kBytes);
  CHECK(*peak_resident_mib() >= *before + 32);
  if (forgotten && forget_peak()) CHECK(*peak_resident_mib() < *before + 32);
}
