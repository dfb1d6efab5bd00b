#include "bench/kernels/registry.h"

#include <iostream>
#include <map>
#include <set>
#include <vector>

#include "kernels/table.h"

namespace sesame::bench {
namespace {

struct KernelRow {
  std::string_view field;
  kernels::Isa isa;
};

constexpr KernelRow kRows[] = {
#define SESAME_KERNEL(field, level) {#field, kernels::Isa::level},
#include "kernels/kernel_list.inc"
#undef SESAME_KERNEL
};

std::map<std::string_view, RegisterKernel>& timed_kernels() {
  static std::map<std::string_view, RegisterKernel> map;
  return map;
}

std::vector<RegisterPeer>& peers() {
  static std::vector<RegisterPeer> list;
  return list;
}

}  // namespace

bool add_kernel(std::string_view field, RegisterKernel function) {
  return timed_kernels().emplace(field, function).second;
}

bool add_peer(RegisterPeer function) {
  peers().push_back(function);
  return true;
}

void register_all() {
  std::set<std::string_view> untimed;
  for (const KernelRow& row : kRows) {
    if (!kernels::supported(row.isa) || row.isa == kernels::Isa::amx_emulated) continue;
    const auto found = timed_kernels().find(row.field);
    if (found == timed_kernels().end()) {
      untimed.insert(row.field);
    } else {
      found->second(row.isa);
    }
  }
  for (std::string_view field : untimed) std::cerr << "kernels_bench: no benchmark times " << field << "\n";
  for (RegisterPeer peer : peers()) peer();
}

}  // namespace sesame::bench
