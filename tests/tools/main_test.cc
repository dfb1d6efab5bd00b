// What holds for every command: usage, exit codes, errors.
#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;

TEST_CASE("help is no error and shows examples") {
  const Ran all = run_command({"--help"});
  CHECK(all.code == 0);
  CHECK(all.err.empty());
  for (const char* name : {"predict", "tokenize", "inspect", "verify", "bench", "make-model", "cpu"}) {
    CAPTURE(name);
    CHECK(all.out.find(name) != std::string::npos);
    const Ran one = run_command({name, "--help"});
    CHECK(one.code == 0);
    CHECK(one.out.find("Examples:") != std::string::npos);
  }
}

TEST_CASE("bad usage is one line and exit status 2") {
  const std::vector<std::vector<std::string>> bad = {
      {},
      {"no-such-command"},
      {"predict"},
      {"predict", kIntent, "--no-such-option"},
      {"predict", kIntent, "text", "--precision", "int7"},
      {"predict", kIntent, "text", "--attention", "int7"},
      {"predict", kIntent, "text", "--threads", "0"},
      {"predict", kIntent, "text", "--batch", "-1"},
      {"bench", kIntent, "--batch", "1,0"},
      {"bench", kIntent, "--length", "many"},
      {"bench", kIntent, "--runs", "0"},
      {"verify"},
      {"verify", "dir", "--rtol", "-1"},
  };
  for (const auto& arguments : bad) {
    CAPTURE(arguments);
    const Ran ran = run_command(arguments);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());
    CHECK(ran.has_one_error_line());
    CHECK(ran.err.find("--help") != std::string::npos);
  }
}

TEST_CASE("an unknown instruction set level is bad usage that names the known ones") {
  const Ran ran = run_command({"predict", kIntent, "hello"}, {}, {"SESAME_ISA=sse9"});
  CHECK(ran.code == 2);
  CHECK(ran.has_one_error_line());
  CHECK(ran.err.find("sse9") != std::string::npos);
  CHECK(ran.err.find("avx512vnni") != std::string::npos);
}

TEST_CASE("a missing file and one that is no ONNX are one line and exit status 1") {
  const TemporaryFolder folder;
  write_below(folder, "text.onnx", "this is no ONNX file\n");
  write_below(folder, "empty.onnx", "");
  for (const char* command : {"predict", "inspect", "bench"}) {
    for (const std::string& model :
         {(folder / "none.onnx").string(), (folder / "none").string(), (folder / "text.onnx").string(),
          (folder / "empty.onnx").string(), folder.path().string()}) {
      CAPTURE(command, model);
      const Ran ran = run_command({command, model});
      CHECK(ran.code == 1);
      CHECK(ran.out.empty());
      CHECK(ran.has_one_error_line());
      CHECK(ran.err.find(folder.path().filename().string()) != std::string::npos);
    }
  }
}
