#include "kernels/isa.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/table.h"
#include "tests/catch.h"

using namespace sesame::kernels;

TEST_CASE("every level has a name that parses back") {
  for (Isa isa : kAllIsas) {
    CHECK(parse_isa(name(isa)) == isa);
    CHECK_FALSE(description(isa).empty());
  }
  CHECK_FALSE(parse_isa("").has_value());
  CHECK_FALSE(parse_isa("AVX2").has_value());
  CHECK_FALSE(parse_isa("avx").has_value());
}

TEST_CASE("scalar is always supported, levels ascend, and what can run includes the emulated one") {
  CHECK(supported(Isa::scalar));
  std::vector<Isa> isas = supported_isas();
  REQUIRE(isas.size() >= 1);
  CHECK(isas.front() == Isa::scalar);
  CHECK(std::is_sorted(isas.begin(), isas.end()));
  for (Isa isa : isas) {
    CHECK(supported(isa));
    CHECK(isa != Isa::amx_emulated);
  }
  isas.push_back(Isa::amx_emulated);
  CHECK(runnable_isas() == isas);
  for (Isa isa : kAllIsas) {
    if (!supported(isa)) WARN("skipped: no test runs level " << name(isa) << ", which this CPU lacks");
  }
}

TEST_CASE("levels include those before them, and the AVX-512 ones not avxvnni") {
  for (Isa isa : kAllIsas) {
    CHECK(includes(isa, isa));
    CHECK(includes(isa, Isa::scalar));
    if (isa != Isa::avxvnni && isa != Isa::amx_emulated) CHECK_FALSE(includes(isa, Isa::avxvnni));
    if (isa != Isa::amx_emulated) CHECK_FALSE(includes(isa, Isa::amx_emulated));
  }
  CHECK(includes(Isa::avxvnni, Isa::avx2));
  CHECK(includes(Isa::amx, Isa::avx512bf16));
  CHECK_FALSE(includes(Isa::avx2, Isa::avx512));
  CHECK_FALSE(includes(Isa::amx_emulated, Isa::amx));
  CHECK(includes(Isa::amx_emulated, supported_isas().back()) == (supported_isas().back() != Isa::amx));
}

TEST_CASE("the compiler's run-time detection agrees") {
  CHECK(supported(Isa::avx2) == (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
  CHECK(supported(Isa::avx512vnni) ==
        (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma")));
  CHECK(supported(Isa::avx512bf16) == (supported(Isa::avx512vnni) && __builtin_cpu_supports("avx512bf16")));
  std::ifstream cpuinfo("/proc/cpuinfo");
  const std::string flags{std::istreambuf_iterator<char>(cpuinfo), {}};
  CHECK(supported(Isa::avxvnni) == (supported(Isa::avx2) && flags.find(" avx_vnni") != std::string::npos));
  CHECK(supported(Isa::amx) ==
        (supported(Isa::avx512bf16) && flags.find(" amx_tile") != std::string::npos &&
         flags.find(" amx_int8") != std::string::npos && flags.find(" amx_bf16") != std::string::npos));
}

TEST_CASE("a request lowers the level and never raises it") {
  const Isa server[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512vnni};
  CHECK(lowered_isa(server, "avx2") == Isa::avx2);
  CHECK(lowered_isa(server, "scalar") == Isa::scalar);
  CHECK(lowered_isa(server, "avx512vnni") == Isa::avx512vnni);
  CHECK(lowered_isa(server, "amx") == Isa::avx512vnni);
  CHECK(lowered_isa(server, "avxvnni") == Isa::avx2);
  CHECK(lowered_isa(server, "amx-emulated") == Isa::amx_emulated);
  CHECK(lowered_isa(server, "no such level") == Isa::avx512vnni);
  CHECK(lowered_isa(server, std::nullopt) == Isa::avx512vnni);
  const Isa client[] = {Isa::scalar, Isa::avx2, Isa::avxvnni};
  CHECK(lowered_isa(client, "avx512vnni") == Isa::avxvnni);
  CHECK(lowered_isa(client, "avx2") == Isa::avx2);
}

TEST_CASE("the default is the highest level, lowered by the environment") {
  const char* request = std::getenv("SESAME_ISA");
  const bool asked = request != nullptr && *request != '\0';
  CHECK(default_isa() ==
        lowered_isa(supported_isas(), asked ? std::optional<std::string_view>(request) : std::nullopt));
  CHECK(invalid_isa_request().has_value() == (asked && !parse_isa(request)));
}

TEST_CASE("the table of a level knows its level") {
  for (Isa isa : runnable_isas()) CHECK(table(isa).isa == isa);
}
