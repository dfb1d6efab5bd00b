#include "kernels/table.h"

#include <array>
#include <cassert>

namespace sesame::kernels {

// The kernels of each level are defined in files whose names end in that level (scalar: no suffix).
#define SESAME_KERNEL(field, level)              \
  namespace level {                              \
  extern std::remove_pointer_t<decltype(Table::field)> field; \
  }
#include "kernels/kernel_list.inc"
#undef SESAME_KERNEL

namespace {

Table make_table(Isa isa) {
  Table t{};
  t.isa = isa;
#define SESAME_KERNEL(field, level) \
  if (Isa::level <= isa) t.field = level::field;
#include "kernels/kernel_list.inc"
#undef SESAME_KERNEL
  return t;
}

}  // namespace

const Table& table(Isa isa) {
  assert(supported(isa));
  static const std::array<Table, std::size(kAllIsas)> tables = [] {
    std::array<Table, std::size(kAllIsas)> all{};
    for (Isa each : kAllIsas) all[static_cast<std::size_t>(each)] = make_table(each);
    return all;
  }();
  return tables[static_cast<std::size_t>(isa)];
}

}  // namespace sesame::kernels
