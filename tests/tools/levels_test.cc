// The levels as a user of other CPUs meets them.
#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;

TEST_CASE("on older CPUs the command takes a level that they have, and gives the same answers") {
  const TemporaryFolder folder;
  const std::string model = (folder / "model").string();
  const std::vector<std::string> sizes = {"--hidden", "22", "--heads", "2",   "--layers",        "2",
                                          "--ffn",    "40", "--vocab", "300", "--max-positions", "40"};
  std::vector<std::string> arguments = {"make-model", "distilbert", "-o", model};
  arguments.insert(arguments.end(), sizes.begin(), sizes.end());
  const Ran made = run_command(arguments);
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  // AMX adds bf16 in an order of its own, and this test is about the others.
  const std::vector<std::string> no_amx = {"SESAME_ISA=avx512bf16"};
  for (const auto& [cpu, level] : {std::pair{"Haswell", "avx2"}, {"Nehalem", "scalar"}}) {
    for (const char* precision : {"fp32", "bf16", "int8"}) {
      CAPTURE(cpu, precision);
      const std::vector<std::string> predict = {"predict", model,      "--precision",
                                                precision, "one text", "and a longer one"};
      const Ran here = run_command(predict, {}, no_amx);
      REQUIRE(here.code == 0);
      const auto there = run_command_on(cpu, predict);
      if (!there) {
        WARN("skipped: qemu-x86_64 is not installed, so no other CPU than this one is tried");
        return;
      }
      CAPTURE(there->err);
      CHECK(there->code == 0);
      CHECK(there->out == here.out);
    }
    // A level that isn't there would be an illegal instruction; the one taken has a name as well.
    const auto bench =
        run_command_on(cpu, {"bench", model, "--length", "4", "--warmup", "0", "--runs", "1", "--json", "-"});
    REQUIRE(bench);
    CAPTURE(bench->err);
    REQUIRE(bench->code == 0);
    CHECK(nlohmann::json::parse(bench->out).at("results")[0].at("isa") == level);
  }
}
