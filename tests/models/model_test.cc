#include "models/model.h"

#include "models/loading.h"
#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"

namespace sesame {
namespace {

namespace fs = std::filesystem;
using models::synthesis::Task;
using models::synthesis::tiny;

TEST_CASE("A folder gives a model with its tokenizer, labels and limit") {
  const test::TempDir folder;
  models::synthesis::make_model(tiny("distilbert", Task::sequence_classification, 3), folder.path());
  for (Precision precision : {Precision::automatic, Precision::fp32, Precision::bf16, Precision::int8}) {
    const auto model = Model::load(folder.path(), {.precision = precision});
    CHECK(model->labels() == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
    CHECK(model->max_tokens() == 40);
    CHECK(model->precision() == (precision == Precision::automatic ? Precision::fp32 : precision));
    CHECK(model->loaded().tokenizer != nullptr);
    CHECK(model->loaded().recognition.layers_recognised == 2);
  }
  const auto fp32 = load_model(folder.path(), {});
  const auto int8 = load_model(folder.path(), {.precision = Precision::int8});
  const auto bf16 = load_model(folder.path(), {.precision = Precision::bf16});
  CHECK(bf16->weight_bytes < fp32->weight_bytes);
  CHECK(int8->weight_bytes < bf16->weight_bytes);
}

TEST_CASE("A model may lie in onnx/, or be a bare file") {
  const test::TempDir folder;
  models::synthesis::make_model(tiny("bert", Task::encoder), folder.path());
  const test::TempDir other;
  fs::create_directories(other.path() / "onnx");
  fs::copy(folder.path() / "model.onnx", other.path() / "onnx" / "model.onnx");
  CHECK(load_model(other.path(), {})->onnx_file == other.path() / "onnx" / "model.onnx");
  const auto bare = load_model(other.path() / "onnx" / "model.onnx", {});
  CHECK(bare->tokenizer == nullptr);
  CHECK(bare->labels.empty());
  CHECK(bare->max_tokens == 40);  // the position table's rows
  CHECK(bare->input_ids == 0);
  CHECK(bare->attention_mask == 1);
  CHECK(bare->token_type_ids == 2);
}

TEST_CASE("What cannot be loaded is named") {
  const test::TempDir folder;
  const auto message = [](const fs::path& path) { return message_of<Error>([&] { Model::load(path); }); };
  CHECK(message(folder.path() / "none").find("no such file") != std::string::npos);
  CHECK(message(folder.path()).find("expected model.onnx") != std::string::npos);
  const fs::path broken = folder.write("model.onnx", "not a model");
  CHECK(message(folder.path()).find(broken.string()) == 0);
}

TEST_CASE("Precisions have names") {
  for (Precision p : {Precision::automatic, Precision::fp32, Precision::bf16, Precision::int8}) {
    CHECK(parse_precision(name(p)) == p);
  }
  CHECK_THROWS_AS(parse_precision("int4"), Error);
}

}  // namespace
}  // namespace sesame
