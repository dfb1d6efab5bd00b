#include "kernels/isa.h"

#include <cpuid.h>

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

// XCR0 says which registers the operating system saves at a context switch. Without OSXSAVE the instruction that reads
// it is undefined, and nothing wider than SSE may be used.
std::uint32_t saved_registers() {
  if (!all_set(cpuid(1, 0).ecx, bit(27))) return 0;
  std::uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

Isa detect() {
  constexpr std::uint32_t kYmmState = bit(1) | bit(2);                                // XMM, upper halves of YMM
  constexpr std::uint32_t kZmmState = kYmmState | bit(5) | bit(6) | bit(7);           // masks, ZMM0-15, ZMM16-31
  constexpr std::uint32_t kFma = bit(12), kAvx = bit(28), kF16c = bit(29);            // leaf 1 ecx
  constexpr std::uint32_t kAvx2 = bit(5);                                             // leaf 7 ebx
  constexpr std::uint32_t kAvx512 = bit(16) | bit(17) | bit(28) | bit(30) | bit(31);  // F, DQ, CD, BW, VL
  constexpr std::uint32_t kVnni = bit(11);                                            // leaf 7 ecx
  constexpr std::uint32_t kBf16 = bit(5);                                             // leaf 7 subleaf 1 eax

  const std::uint32_t saved = saved_registers();
  const Registers leaf7 = cpuid(7, 0);
  if (!all_set(saved, kYmmState) || !all_set(cpuid(1, 0).ecx, kFma | kAvx | kF16c) || !all_set(leaf7.ebx, kAvx2)) {
    return Isa::scalar;
  }
  if (!all_set(saved, kZmmState) || !all_set(leaf7.ebx, kAvx512)) return Isa::avx2;
  if (!all_set(leaf7.ecx, kVnni)) return Isa::avx512;
  // Leaf 7 says in eax how many subleaves it has; others would answer for one that exists.
  return leaf7.eax >= 1 && all_set(cpuid(7, 1).eax, kBf16) ? Isa::avx512bf16 : Isa::avx512vnni;
}

Isa highest_isa() {
  static const Isa isa = detect();
  return isa;
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
    case Isa::avx512:
      return "avx512";
    case Isa::avx512vnni:
      return "avx512vnni";
    case Isa::avx512bf16:
      return "avx512bf16";
  }
  return "unknown";
}

std::string_view description(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "x86-64 baseline";
    case Isa::avx2:
      return "AVX2, FMA, F16C";
    case Isa::avx512:
      return "AVX-512 F, BW, DQ, CD, VL";
    case Isa::avx512vnni:
      return "AVX-512 F, BW, DQ, CD, VL, VNNI";
    case Isa::avx512bf16:
      return "AVX-512 F, BW, DQ, CD, VL, VNNI, BF16";
  }
  return "unknown";
}

std::optional<Isa> parse_isa(std::string_view text) {
  for (Isa isa : kAllIsas) {
    if (text == name(isa)) return isa;
  }
  return std::nullopt;
}

bool supported(Isa isa) { return isa <= highest_isa(); }

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas) {
    if (supported(isa)) isas.push_back(isa);
  }
  return isas;
}

Isa lowered_isa(Isa highest, std::optional<std::string_view> request) {
  const std::optional<Isa> wanted = request ? parse_isa(*request) : std::nullopt;
  return wanted && *wanted < highest ? *wanted : highest;
}

Isa default_isa() { return lowered_isa(highest_isa(), request()); }

std::optional<std::string_view> invalid_isa_request() {
  const std::optional<std::string>& text = request();
  if (!text || parse_isa(*text)) return std::nullopt;
  return *text;
}

}  // namespace sesame::kernels
