#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;

namespace {

std::string many_words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "balance ";
  return text;
}

}  // namespace

TEST_CASE("predict answers its arguments in order") {
  const Ran ran = run_command({"predict", kIntent, "what's my checking balance", "set an alarm for seven"});
  REQUIRE(ran.code == 0);
  CHECK(ran.err.empty());
  const auto answers = ran.objects();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].at("label") == "balance");
  CHECK(answers[1].at("label") == "alarm");
  for (const auto& each : answers) {
    CHECK(each.size() == 2);
    CHECK(each.at("score") > 0);
    CHECK(each.at("score") <= 1);
  }
}

TEST_CASE("predict prints one object a line of input, in order, whatever the batch and precision") {
  std::string input;
  for (int i = 0; i < 40; ++i) input += i % 3 == 0 ? "what's my balance\n" : i % 3 == 1 ? "\n" : "wake me at seven\r\n";
  input += "the last line has no end";
  for (const char* precision : {"fp32", "bf16", "int8"}) {
    const Ran together = run_command({"predict", kIntent, "--precision", precision}, input);
    const Ran alone = run_command({"predict", kIntent, "--precision", precision, "--batch", "1"}, input);
    CHECK(together.code == 0);
    REQUIRE(together.objects().size() == 41);
    CHECK(together.objects()[0] == together.objects()[39]);
    CHECK(together.objects()[2] != together.objects()[0]);
    CHECK(together.out == alone.out);
  }
}

TEST_CASE("predict takes each argument exactly as given") {
  const std::vector<std::string> texts = {"[hello,there]", "cpu", "--threads", "", "a, b"};
  std::vector<std::string> arguments = {"predict", kIntent, "--"};
  std::string input;
  for (const std::string& each : texts) {
    arguments.push_back(each);
    input += each + "\n";
  }
  const Ran ran = run_command(arguments);
  CHECK(ran.objects().size() == texts.size());
  CHECK(ran.out == run_command({"predict", kIntent}, input).out);
}

TEST_CASE("no input is no output") {
  const Ran ran = run_command({"predict", kIntent}, "");
  CHECK(ran.code == 0);
  CHECK(ran.out.empty());
}

TEST_CASE("a text that is too long is cut, and its answer says so") {
  const Ran ran = run_command({"predict", kIntent, many_words(500), "short"});
  REQUIRE(ran.code == 0);
  const auto answers = ran.objects();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].at("truncated") == true);
  CHECK(answers[0].at("warning").get<std::string>().find("64 tokens") != std::string::npos);
  CHECK(!answers[1].contains("truncated"));
  CHECK(!answers[1].contains("warning"));
}

TEST_CASE("bytes that are no UTF-8 get an answer and a warning") {
  const Ran ran = run_command({"predict", kIntent}, "my caf\xe9 balance\n\xff\xfe\n");
  REQUIRE(ran.code == 0);
  const auto answers = ran.objects();
  REQUIRE(answers.size() == 2);
  for (const auto& each : answers) {
    CHECK(each.contains("label"));
    CHECK(each.contains("warning"));
  }
}

TEST_CASE("the K best labels start with the answer and descend") {
  const Ran ran = run_command({"predict", kIntent, "--top", "3", "what's my balance"});
  REQUIRE(ran.code == 0);
  const auto answer = ran.objects().at(0);
  REQUIRE(answer.at("top").size() == 3);
  CHECK(answer["top"][0]["label"] == answer["label"]);
  CHECK(answer["top"][0]["score"] == answer["score"]);
  CHECK(answer["top"][0]["score"] >= answer["top"][1]["score"]);
  CHECK(answer["top"][1]["score"] >= answer["top"][2]["score"]);
}

TEST_CASE("threads and levels do not change a bit of an answer") {
  const std::vector<std::string> texts = {"what's my balance", "", "is it going to rain in the mountains tomorrow"};
  for (const char* precision : {"fp32", "bf16", "int8"}) {
    std::vector<std::string> arguments = {"predict", kIntent, "--precision", precision};
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    const std::vector<std::string> no_amx = {"SESAME_ISA=avx512bf16"};  // it adds bf16 in an order of its own
    const Ran plain = run_command(arguments, {}, no_amx);
    REQUIRE(plain.code == 0);
    for (const char* level : {"scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "amx-emulated"}) {
      CAPTURE(precision, level);
      if (precision == std::string("bf16") && level == std::string("amx-emulated")) continue;
      CHECK(run_command(arguments, {}, {std::string("SESAME_ISA=") + level}).out == plain.out);
    }
    arguments.insert(arguments.end(), {"--threads", "2"});
    CHECK(run_command(arguments, {}, no_amx).out == plain.out);
  }
}

TEST_CASE("tokenize prints ids, types, tokens and offsets") {
  const Ran ran = run_command({"tokenize", kIntent, "my balance", ""});
  REQUIRE(ran.code == 0);
  const auto lines = ran.objects();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("tokens").front() == "[CLS]");
  CHECK(lines[0].at("tokens").back() == "[SEP]");
  CHECK(lines[0].at("tokens")[1] == "my");
  CHECK(lines[0].at("offsets")[1] == nlohmann::json::array({0, 2}));
  for (const char* field : {"type_ids", "tokens", "offsets"})
    CHECK(lines[0].at(field).size() == lines[0].at("ids").size());
  CHECK(lines[1].at("ids").size() == 2);
}

TEST_CASE("tokenize takes pairs, and says where one is missing") {
  const Ran ran = run_command({"tokenize", kIntent, "--pair"}, "my balance\tis low\nno pair\n");
  REQUIRE(ran.code == 0);
  const auto lines = ran.objects();
  REQUIRE(lines.size() == 2);
  const auto& tokens = lines[0].at("tokens");
  CHECK(std::count(tokens.begin(), tokens.end(), "[SEP]") == 2);
  CHECK(lines[1].contains("error"));
}
