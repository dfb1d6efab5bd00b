#include <sys/resource.h>

#include <filesystem>
#include <random>

#include "tests/catch.h"
#include "tests/tools/command.h"

using namespace sesame;
using namespace sesame::tools;
using Catch::Contains;

namespace {

// A tiny model made by the command itself.
struct Made {
  TemporaryFolder folder;
  std::string model = (folder / "model").string();
  std::string texts = folder.write("texts.txt", "one two three\nfour five\nsix\n").string();
  std::string out = (folder / "out").string();

  Made() {
    const Ran ran = run_command({"make-model", "distilbert", "-o", model, "--hidden", "16", "--layers", "1", "--heads",
                                 "2", "--ffn", "32", "--vocab", "200", "--max-positions", "16", "--labels", "2"});
    REQUIRE(ran.code == 0);
  }
  Ran quantize(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"quantize", model, "-o", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
  }
};

// No file of this process, and of those it starts, may become larger.
class LargestFile {
 public:
  explicit LargestFile(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~LargestFile() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  LargestFile(const LargestFile&) = delete;  // one limit, one owner
  LargestFile& operator=(const LargestFile&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("quantize writes a folder that predicts, and says what it quantized") {
  const Made made;
  const std::vector<std::vector<std::string>> forms = {{"--format", "integerops"},
                                                       {"--format", "qdq", "--calibrate", made.texts},
                                                       {"--format", "qoperator", "--calibrate", made.texts}};
  for (const auto& form : forms) {
    const Ran ran = made.quantize(form);
    REQUIRE(ran.code == 0);
    CHECK(ran.err.empty());
    CHECK_THAT(ran.out, Contains(form[1] + ", quantized "));
    CHECK_THAT(ran.out, Contains(form[1] == "integerops" ? "6 MatMul" : "8 MatMul"));
    const Ran answer = run_command({"predict", made.out, "one two"});
    CHECK(answer.code == 0);
    CHECK(answer.objects().size() == 1);
  }
}

TEST_CASE("quantize selects nodes as asked") {
  const Made made;
  const auto counted = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"--format", "qdq", "--calibrate", made.texts, "--method", "minmax"};
    all.insert(all.end(), more.begin(), more.end());
    const Ran ran = made.quantize(all);
    CHECK(ran.code == 0);
    return ran.out.substr(ran.out.rfind("quantized"));
  };
  CHECK(counted({"--ops", "MatMul,Add,Gather"}) == "quantized 12 Add, 2 Gather, 8 MatMul\n");
  CHECK(counted({"--ops", "Add", "--exclude", "layernorm,gelu,residual,gather,softmax"}) == "quantized 6 Add\n");
  CHECK(counted({"--ops", "MatMul,Gemm", "--heads"}) == "quantized 2 Gemm, 8 MatMul\n");
  CHECK(counted({"--ops", "MatMul", "--exclude-nodes", "q_lin|k_lin"}) == "quantized 6 MatMul\n");
}

TEST_CASE("quantize refuses bad usage with one line and exit code 2") {
  const Made made;
  const std::vector<std::vector<std::string>> usages = {
      {"--format", "onnx"},
      {"--ops", "Softmax"},
      {"--exclude", "norm"},
      {"--weights", "int4"},
      {"--format", "qdq"},
      {"--format", "integerops", "--calibrate", made.texts},
      {"--format", "qdq", "--calibrate", made.texts, "--samples", "0"},
      {"--format", "qdq", "--calibrate", made.texts, "--percentile", "101"},
      {"--format", "qdq", "--calibrate", made.texts, "--method", "best"},
      {"--format", "integerops", "--smooth"},
      {"--format", "integerops", "--embeddings", "int8"},
      {"--format", "integerops", "--attention", "fp32"},
      {"--format", "integerops", "--samples", "10"},
      {"--format", "sesame", "--ops", "MatMul"},
      {"--format", "sesame", "--exclude", "gelu"},
      {"--format", "sesame", "--weights", "uint8"},
      {"--format", "sesame", "--embeddings", "int4"},
      {"--format", "sesame", "--max-drop", "1"},
      {"--format", "sesame", "--data", made.texts, "--task", "translation"},
      {"--format", "integerops", "--report", "--data", made.texts},
  };
  for (const auto& usage : usages) {
    const Ran ran = made.quantize(usage);
    INFO(usage[0] << ' ' << usage[1] << ": " << ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.has_one_error_line());
    CHECK(!std::filesystem::exists(made.out));
  }
}

TEST_CASE("quantize fails with one line and exit code 1, and leaves nothing behind") {
  const Made made;
  const std::string empty = made.folder.write("empty.txt", "\n\n").string();
  const std::vector<std::vector<std::string>> failures = {
      {"--format", "qdq", "--calibrate", empty},          {"--format", "qdq", "--calibrate", "/nowhere/texts.txt"},
      {"--format", "integerops", "--exclude-nodes", "("}, {"--format", "integerops", "--exclude-nodes", "."},
      {"--format", "integerops", "--ops", "Add"},         {"--format", "integerops", "-o", "/nowhere/at/all.onnx"},
      {"--format", "integerops", "-o", made.model},       {"--format", "integerops", "-o", made.texts},
  };
  for (const auto& failure : failures) {
    std::vector<std::string> arguments = {"quantize", made.model};
    if (failure.size() < 4 || failure[2] != "-o") arguments.insert(arguments.end(), {"-o", made.out});
    arguments.insert(arguments.end(), failure.begin(), failure.end());
    const Ran ran = run_command(arguments);
    INFO(failure[failure.size() - 1] << ": " << ran.err);
    CHECK(ran.code == 1);
    CHECK(ran.has_one_error_line());
    CHECK(!std::filesystem::exists(made.out));
  }
  CHECK(content_of(made.texts).starts_with("one two three"));
}

TEST_CASE("a weight that is no number is refused whatever is written, even where it is not quantized itself") {
  const auto root = shared_material("conformance/bad-models/weights-nan");
  if (!root) return;
  const TemporaryFolder folder;
  for (const char* out : {"out.sesame", "out.onnx", "out"}) {
    const Ran ran = run_command({"quantize", (*root / "model.onnx").string(), "-o", (folder / out).string()});
    CHECK(ran.code == 1);
    CHECK(ran.has_one_error_line());
    CHECK_THAT(ran.err, Contains("word_embeddings") && Contains("is nan"));
    CHECK(folder.files() == 0);
  }
}

TEST_CASE("labelled data that does not fit is found out before anything is written") {
  const Made made;
  const std::string unknown = made.folder.write("unknown.tsv", "one two\tno_such_label\n").string();
  const std::string labels = made.folder.write("labels.tsv", "one two\t0\nthree\t1\n").string();
  const std::vector<std::vector<std::string>> failures = {
      {"--data", unknown}, {"--data", labels, "--task", "ner"}, {"--data", labels, "--task", "masked-tokens"}};
  for (const char* format : {"sesame", "integerops"}) {
    for (std::vector<std::string> failure : failures) {
      failure.insert(failure.end(), {"--format", format});
      const Ran ran = made.quantize(failure);
      INFO(format << ' ' << failure[1] << ": " << ran.err);
      CHECK(ran.code == 1);
      CHECK(ran.has_one_error_line());
      CHECK(!std::filesystem::exists(made.out));
    }
    const Ran fine = made.quantize({"--data", labels, "--format", format});
    CHECK(fine.code == 0);
    CHECK_THAT(fine.out, Contains("accuracy: fp32 ") && Contains("same answer "));
    std::filesystem::remove_all(made.out);
  }
}

TEST_CASE("a model of tags is measured on entities") {
  const TemporaryFolder folder;
  const std::string model = (folder / "model").string();
  REQUIRE(run_command({"make-model", "bert", "-o",       model, "--task",          "token-classification",
                       "--hidden",   "16",   "--layers", "1",   "--heads",         "2",
                       "--ffn",      "32",   "--vocab",  "200", "--max-positions", "16",
                       "--labels",   "3"})
              .code == 0);
  const std::string words = folder.write("words.conll", "one O\ntwo LABEL_1\n\nthree O\n").string();
  const Ran ran = run_command({"quantize", model, "-o", (folder / "m.sesame").string(), "--data", words});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK_THAT(ran.out, Contains("f1: fp32 ") && Contains("recall: fp32 "));
}

TEST_CASE("a full disk is one clear line, and the old file stays whole") {
  const Made made;
  for (const std::string out : {made.out + ".sesame", made.out + ".onnx"}) {
    REQUIRE(run_command({"quantize", made.model, "-o", out}).code == 0);
    const std::string before = content_of(out);
    const std::size_t files = made.folder.files();
    const LargestFile limit(10'000);
    const Ran ran = run_command({"quantize", made.model, "-o", out, "--per-tensor"});
    INFO(ran.err);
    CHECK(ran.code == 1);
    CHECK(ran.has_one_error_line());
    CHECK_THAT(ran.err, Contains(out + ": cannot be written: "));
    CHECK(content_of(out) == before);
    CHECK(made.folder.files() == files);
  }
}

TEST_CASE("texts that say little of ranges bring a warning") {
  const Made made;
  std::string same, different;
  for (int i = 0; i < 40; ++i) {
    same += "one two\n";
    different += "one " + std::to_string(i) + "\n";
  }
  const auto out_of = [&](const std::string& texts) {
    const Ran ran = made.quantize({"--format", "qdq", "--calibrate", made.folder.write("t.txt", texts).string()});
    CHECK(ran.code == 0);
    return ran.out;
  };
  CHECK_THAT(out_of(same), Contains("warning: ") && Contains("40 texts to calibrate on, 1 of them different"));
  CHECK(out_of(different).find("warning") == std::string::npos);
}

TEST_CASE("damaged models are refused or quantized, whatever the damage") {
  const Made made;
  const std::string whole = content_of(made.folder.path() / "model" / "model.onnx");
  std::mt19937 random(3);
  for (int i = 0; i < 40; ++i) {
    std::string damaged = whole.substr(0, i % 4 == 0 ? random() % whole.size() : whole.size());
    for (int k = 0; k < 5 && !damaged.empty(); ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto file = made.folder.write("damaged.onnx", damaged);
    const Ran ran = run_command({"quantize", file.string(), "-o", (made.folder / "damaged-out.onnx").string(),
                                 "--format", "integerops", "--ops", "MatMul,Gemm,Gather", "--heads"});
    INFO(i << ": " << ran.err);
    CHECK((ran.code == 0 || (ran.code == 1 && ran.has_one_error_line())));
  }
}

TEST_CASE("hostile models are refused by quantize as by everything else") {
  const auto root = shared_material("conformance/bad-models");
  if (!root) return;
  const TemporaryFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(*root)) {
    if (!std::filesystem::exists(entry.path() / "model.onnx")) continue;
    const Ran ran = run_command({"quantize", (entry.path() / "model.onnx").string(), "-o",
                                 (folder / "out.onnx").string(), "--ops", "MatMul,Gemm,Gather", "--heads"});
    INFO(entry.path().filename().string() << ": " << ran.err);
    CHECK((ran.code == 0 || (ran.code == 1 && ran.has_one_error_line())));
  }
}
