// Which instruction set runs: asked once, answered by name.
//
// Every level gives the same bits (README, "One answer"); a level only decides how fast they come.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace sesame::kernels {

// In ascending order; each level includes those before it.
//   scalar      x86-64 baseline
//   avx2        AVX2, FMA, F16C
//   avx512      AVX512 F, BW, DQ, CD, VL
//   avx512vnni  and VNNI
//   avx512bf16  and BF16
enum class Isa { scalar, avx2, avx512, avx512vnni, avx512bf16 };

inline constexpr Isa kAllIsas[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512vnni, Isa::avx512bf16};

std::string_view name(Isa isa);
std::string_view description(Isa isa);
std::optional<Isa> parse_isa(std::string_view text);

// Whether the CPU has the level and the operating system saves its registers (XCR0).
bool supported(Isa isa);

// All supported levels, ascending; scalar is always among them.
std::vector<Isa> supported_isas();

// `highest`, or the level that `request` names when that is lower. A request that names no level asks for nothing.
Isa lowered_isa(Isa highest, std::optional<std::string_view> request);

// The level to run by default: the highest supported one, lowered by the environment variable SESAME_ISA, which never
// raises it. The variable is read once, at the first call here or to invalid_isa_request(); one that names no level is
// ignored here and reported there.
Isa default_isa();

// The value of SESAME_ISA when it names no level, so that a command can refuse it.
std::optional<std::string_view> invalid_isa_request();

}  // namespace sesame::kernels
