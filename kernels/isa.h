// Which instruction set runs: asked once, answered by name.
//
// Every level gives the same bits (README, "One answer"); a level only decides how fast they come. One exception: AMX's
// bf16 product adds in an order of its own (tiles.h).
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sesame::kernels {

// In ascending order; each level includes those before it, but avxvnni, which the AVX-512 levels don't.
//   scalar        x86-64 baseline
//   avx2          AVX2, FMA, F16C
//   avxvnni       and AVX-VNNI, the 256-bit one of CPUs without AVX-512
//   avx512        avx2 and AVX512 F, BW, DQ, CD, VL
//   avx512vnni    and VNNI
//   avx512bf16    and BF16
//   amx           and AMX TILE, INT8, BF16
//   amx_emulated  amx's kernels on tiles emulated in plain C++, beside the best kernels of the CPU for everything else.
//                 Runs anywhere and is slow: never a default, only asked for by name
enum class Isa { scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx, amx_emulated };

inline constexpr Isa kAllIsas[] = {Isa::scalar,     Isa::avx2,       Isa::avxvnni, Isa::avx512,
                                   Isa::avx512vnni, Isa::avx512bf16, Isa::amx,     Isa::amx_emulated};

std::string_view name(Isa isa);
std::string_view description(Isa isa);
std::optional<Isa> parse_isa(std::string_view text);

// Whether the CPU has the level and the operating system saves its registers (XCR0) and, for AMX, permits them.
bool supported(Isa isa);

// Whether the kernels of `level` run at `isa`.
bool includes(Isa isa, Isa level);

// The levels that this CPU has, ascending; scalar is always among them, amx_emulated never.
std::vector<Isa> supported_isas();

// Those, and amx_emulated: every level that tests can run here.
std::vector<Isa> runnable_isas();

// Of `levels`, ascending, the highest that is not above the one that `request` names. amx_emulated is itself; a request
// that names no level asks for nothing.
Isa lowered_isa(std::span<const Isa> levels, std::optional<std::string_view> request);

// The level to run by default: the highest supported one, lowered by the environment variable SESAME_ISA, which never
// raises it. The variable is read once, at the first call here or to invalid_isa_request(); one that names no level is
// ignored here and reported there.
Isa default_isa();

// The value of SESAME_ISA when it names no level, so that a command can refuse it.
std::optional<std::string_view> invalid_isa_request();

}  // namespace sesame::kernels
