#include "kernels/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace sesame::kernels {
namespace {

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // leaves zeros when the CPU lacks the leaf
  return r;
}

constexpr bool all_set(std::uint32_t value, std::uint32_t bits) { return (value & bits) == bits; }
constexpr std::uint32_t bit(int i) { return std::uint32_t{1} << i; }
constexpr std::uint32_t level_bit(Isa isa) { return bit(static_cast<int>(isa)); }

// XCR0 says which registers the operating system saves at a context switch. Without OSXSAVE the instruction that reads
// it is undefined, and nothing wider than SSE may be used.
std::uint32_t saved_registers() {
  if (!all_set(cpuid(1, 0).ecx, bit(27))) return 0;
  std::uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Tile registers are 8 KiB that the kernel saves only for processes that asked for them, once, with
// arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). It refuses where a signal stack is too small to hold them too.
bool permits_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// The levels found, a bit each.
std::uint32_t detect() {
  constexpr std::uint32_t kYmmState = bit(1) | bit(2);                                // XMM, upper halves of YMM
  constexpr std::uint32_t kZmmState = kYmmState | bit(5) | bit(6) | bit(7);           // masks, ZMM0-15, ZMM16-31
  constexpr std::uint32_t kTileState = bit(17) | bit(18);                             // configuration, data
  constexpr std::uint32_t kFma = bit(12), kAvx = bit(28), kF16c = bit(29);            // leaf 1 ecx
  constexpr std::uint32_t kAvx2 = bit(5);                                             // leaf 7 ebx
  constexpr std::uint32_t kAvx512 = bit(16) | bit(17) | bit(28) | bit(30) | bit(31);  // F, DQ, CD, BW, VL
  constexpr std::uint32_t kVnni = bit(11);                                            // leaf 7 ecx
  constexpr std::uint32_t kAmx = bit(22) | bit(24) | bit(25);                         // leaf 7 edx: BF16, TILE, INT8
  constexpr std::uint32_t kAvxVnni = bit(4), kBf16 = bit(5);                          // leaf 7 subleaf 1 eax

  const std::uint32_t saved = saved_registers();
  const Registers leaf7 = cpuid(7, 0);
  // Leaf 7 says in eax how many subleaves it has; others would answer for one that exists.
  const std::uint32_t leaf7_1 = leaf7.eax >= 1 ? cpuid(7, 1).eax : 0;
  std::uint32_t found = level_bit(Isa::scalar);
  const auto next = [&found](Isa isa, bool there) {
    if (there) found |= level_bit(isa);
    return there;
  };
  const bool avx2 =
      all_set(saved, kYmmState) && all_set(cpuid(1, 0).ecx, kFma | kAvx | kF16c) && all_set(leaf7.ebx, kAvx2);
  if (!next(Isa::avx2, avx2)) return found;
  next(Isa::avxvnni, all_set(leaf7_1, kAvxVnni));
  if (!next(Isa::avx512, all_set(saved, kZmmState) && all_set(leaf7.ebx, kAvx512))) return found;
  if (!next(Isa::avx512vnni, all_set(leaf7.ecx, kVnni))) return found;
  if (!next(Isa::avx512bf16, all_set(leaf7_1, kBf16))) return found;
  next(Isa::amx, all_set(saved, kTileState) && all_set(leaf7.edx, kAmx) && permits_tiles());
  return found;
}

// Copied at the first call: a pointer into the environment dies when the host changes the variable.
const std::optional<std::string>& request() {
  static const std::optional<std::string> copy = []() -> std::optional<std::string> {
    const char* value = std::getenv("SESAME_ISA");
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  }();
  return copy;
}

}  // namespace

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avxvnni:
      return "avxvnni";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512vnni:
      return "avx512vnni";
    case Isa::avx512bf16:
      return "avx512bf16";
    case Isa::amx:
      return "amx";
    case Isa::amx_emulated:
      return "amx-emulated";
  }
  return "unknown";
}

std::string_view description(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "x86-64 baseline";
    case Isa::avx2:
      return "AVX2, FMA, F16C";
    case Isa::avxvnni:
      return "AVX2, FMA, F16C, AVX-VNNI";
    case Isa::avx512:
      return "AVX-512 F, BW, DQ, CD, VL";
    case Isa::avx512vnni:
      return "AVX-512 F, BW, DQ, CD, VL, VNNI";
    case Isa::avx512bf16:
      return "AVX-512 F, BW, DQ, CD, VL, VNNI, BF16";
    case Isa::amx:
      return "AVX-512 F, BW, DQ, CD, VL, VNNI, BF16 and AMX TILE, INT8, BF16";
    case Isa::amx_emulated:
      return "AMX's kernels on emulated tiles";
  }
  return "unknown";
}

std::optional<Isa> parse_isa(std::string_view text) {
  for (Isa isa : kAllIsas) {
    if (text == name(isa)) return isa;
  }
  return std::nullopt;
}

bool supported(Isa isa) {
  static const std::uint32_t found = detect();
  return isa == Isa::amx_emulated || all_set(found, level_bit(isa));
}

bool includes(Isa isa, Isa level) {
  if (level == isa) return true;
  if (isa == Isa::amx_emulated) return level != Isa::amx && supported(level);
  return level < isa && level != Isa::avxvnni;
}

std::vector<Isa> runnable_isas() {
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas) {
    if (supported(isa)) isas.push_back(isa);
  }
  return isas;
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas = runnable_isas();
  isas.pop_back();  // amx_emulated
  return isas;
}

Isa lowered_isa(std::span<const Isa> levels, std::optional<std::string_view> request) {
  const Isa most = request ? parse_isa(*request).value_or(Isa::amx) : Isa::amx;
  if (most == Isa::amx_emulated) return most;
  Isa lowered = Isa::scalar;
  for (Isa level : levels) {
    if (level <= most) lowered = level;
  }
  return lowered;
}

Isa default_isa() {
  static const Isa isa = lowered_isa(supported_isas(), request());
  return isa;
}

std::optional<std::string_view> invalid_isa_request() {
  const std::optional<std::string>& text = request();
  if (!text || parse_isa(*text)) return std::nullopt;
  return *text;
}

}  // namespace sesame::kernels
