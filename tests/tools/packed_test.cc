// `sesame quantize` to packed models, `sesame pack`, and the commands on what they wrote.
#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;

namespace {

const std::string kTexts = kIntent + "/eval.tsv";

}  // namespace

TEST_CASE("pack writes a model that answers as the folder does, on every command") {
  const TemporaryFolder folder;
  const std::string input = "what's my checking balance\nwake me at seven\n";
  for (const char* precision : {"fp32", "int8"}) {
    const std::string packed = folder / (std::string(precision) + ".sesame");
    REQUIRE(run_command({"pack", kIntent, "-o", packed, "--precision", precision}).code == 0);
    CHECK(run_command({"predict", packed}, input).out ==
          run_command({"predict", kIntent, "--precision", precision}, input).out);
    CHECK(run_command({"tokenize", packed}, input).out == run_command({"tokenize", kIntent}, input).out);
    const Ran inspected = run_command({"inspect", packed, "--json"});
    REQUIRE(inspected.code == 0);
    CHECK(nlohmann::json::parse(inspected.out).at("layers_recognised") == 4);
    const Ran timed = run_command({"bench", packed, "--length", "8", "--runs", "2", "--warmup", "0", "--json", "-"});
    REQUIRE(timed.code == 0);
    CHECK(nlohmann::json::parse(timed.out).at("results").at(0).at("precision") == precision);
  }
  CHECK(folder.files() == 2);
}

TEST_CASE("quantize writes the same bytes again, and says what it cost") {
  const TemporaryFolder folder;
  const std::string out = folder / "a.sesame", again = folder / "b.sesame";
  const std::vector<std::string> options = {"--static", "--calibrate", kTexts, "--samples",  "64",
                                            "--report", "--data",      kTexts, "--max-drop", "1"};
  for (const std::string& file : {out, again}) {
    std::vector<std::string> arguments = {"quantize", kIntent, "-o", file};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Ran ran = run_command(arguments);
    REQUIRE(ran.code == 0);
    CHECK(ran.out.find("nothing kept in fp32") != std::string::npos);
    CHECK(ran.out.find("same answer") != std::string::npos);
    CHECK(ran.out.find("24 Linears in int8") != std::string::npos);
  }
  CHECK(content_of(out) == content_of(again));
  CHECK(run_command({"predict", out, "wake me at seven"}).objects().at(0).at("label") == "alarm");
}

TEST_CASE("A packed model says how it was quantized, and whether answers depend on the batch") {
  const TemporaryFolder folder;
  const std::string file = (folder / "m.sesame").string();
  const auto quantization = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"quantize", kIntent, "-o", file});
    REQUIRE(run_command(more).code == 0);
    return nlohmann::json::parse(run_command({"inspect", file, "--json"}).out).at("quantization");
  };
  const auto plain = quantization({"--embeddings", "int8"});
  REQUIRE(plain.size() == 1);
  CHECK(plain[0] == "activations dynamic, per token, weights int8 per channel, 8 bits, embeddings int8, per row");
  const auto shared = quantization({"--tensor-scales", "--reduce-range", "--per-tensor"});
  REQUIRE(shared.size() == 2);
  CHECK(shared[0] == "activations dynamic, per tensor, weights int8 per tensor, 7 bits, embeddings fp32");
  CHECK(shared[1].get<std::string>().find("depend on what else is in the batch") != std::string::npos);
  // The bench does not ask of such a model that a text has the bits in a batch that it has alone.
  const Ran bench = run_command({"bench", file, "--batch", "3", "--length", "8", "--runs", "1", "--warmup", "0"});
  INFO(bench.err);
  CHECK(bench.code == 0);
}

TEST_CASE("Linears that a name excludes stay in fp32") {
  const TemporaryFolder folder;
  const std::string out = folder / "a.sesame";
  const Ran ran = run_command({"quantize", kIntent, "-o", out, "--exclude-nodes", "layer\\.[01].*lin2"});
  REQUIRE(ran.code == 0);
  CHECK(ran.out.find("22 Linears in int8, 2 kept in fp32") != std::string::npos);
}

TEST_CASE("quantize to a packed model refuses what does not go together, in one line and without a file") {
  const TemporaryFolder folder;
  const std::string out = folder / "a.sesame";
  const std::string empty = folder.write("empty.txt", "\n");
  const auto code = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"quantize", kIntent, "-o", out});
    const Ran ran = run_command(options);
    CHECK(ran.has_one_error_line());
    CHECK_FALSE(std::filesystem::exists(out));
    return ran.code;
  };
  CHECK(code({"--static"}) == 2);
  CHECK(code({"--smooth"}) == 2);
  CHECK(code({"--max-drop", "0.3"}) == 2);
  CHECK(code({"--report"}) == 2);
  CHECK(code({"--tensor-scales", "--static", "--calibrate", kTexts}) == 2);
  CHECK(code({"--exclude-nodes", "("}) == 2);
  CHECK(code({"--ops", "MatMul"}) == 2);
  CHECK(code({"--exclude", "gelu"}) == 2);
  CHECK(code({"--weights", "uint8"}) == 2);
  CHECK(code({"--static", "--calibrate", empty}) == 1);
  CHECK(code({"--static", "--calibrate", folder / "none.txt"}) == 1);
  CHECK(code({"--report", "--data", folder.write("labels.tsv", "hello\tno_such_label\n")}) == 1);
  CHECK(run_command({"pack", kIntent, "-o", folder / "no/such/folder.sesame"}).has_one_error_line());
}

TEST_CASE("A packed model in another precision, or damaged, is refused in one line") {
  const TemporaryFolder folder;
  const std::string out = folder / "a.sesame";
  REQUIRE(run_command({"quantize", kIntent, "-o", out}).code == 0);
  const Ran other = run_command({"predict", out, "--precision", "fp32", "hello"});
  CHECK(other.code == 1);
  CHECK(other.has_one_error_line());
  std::string bytes = content_of(out);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
  const Ran damaged = run_command({"predict", folder.write("b.sesame", bytes), "hello"});
  CHECK(damaged.code == 1);
  CHECK(damaged.has_one_error_line());
  CHECK(damaged.err.find("checksum") != std::string::npos);
}
