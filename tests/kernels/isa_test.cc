#include "kernels/isa.h"

#include <algorithm>
#include <cstdlib>

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

TEST_CASE("scalar is always supported and levels include those before them") {
  CHECK(supported(Isa::scalar));
  const std::vector<Isa> isas = supported_isas();
  REQUIRE(isas.size() >= 1);
  CHECK(std::equal(isas.begin(), isas.end(), std::begin(kAllIsas)));
}

TEST_CASE("the compiler's run-time detection agrees") {
  CHECK(supported(Isa::avx2) == (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
  CHECK(supported(Isa::avx512vnni) ==
        (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma")));
  CHECK(supported(Isa::avx512bf16) == (supported(Isa::avx512vnni) && __builtin_cpu_supports("avx512bf16")));
}

TEST_CASE("a request lowers the level and never raises it") {
  CHECK(lowered_isa(Isa::avx512, "avx2") == Isa::avx2);
  CHECK(lowered_isa(Isa::avx512, "scalar") == Isa::scalar);
  CHECK(lowered_isa(Isa::avx512, "avx512") == Isa::avx512);
  CHECK(lowered_isa(Isa::avx2, "avx512vnni") == Isa::avx2);
  CHECK(lowered_isa(Isa::avx512, "no such level") == Isa::avx512);
  CHECK(lowered_isa(Isa::avx512, std::nullopt) == Isa::avx512);
}

TEST_CASE("the default is the highest level, lowered by the environment") {
  const char* request = std::getenv("SESAME_ISA");
  const bool asked = request != nullptr && *request != '\0';
  CHECK(default_isa() ==
        lowered_isa(supported_isas().back(), asked ? std::optional<std::string_view>(request) : std::nullopt));
  CHECK(invalid_isa_request().has_value() == (asked && !parse_isa(request)));
}

TEST_CASE("the table of a level knows its level") {
  for (Isa isa : supported_isas()) CHECK(table(isa).isa == isa);
}
