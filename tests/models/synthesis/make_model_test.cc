#include "models/synthesis/make_model.h"

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "engine/onnx_reader.h"
#include "models/synthesis/vocabulary.h"
#include "models/tokenizers/tokenizer.h"
#include "sesame/error.h"
#include "sesame/sesame.h"
#include "tests/catch.h"
#include "tests/models/synthesis/tiny.h"
#include "tests/support.h"

namespace sesame::models::synthesis {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST_CASE("one seed makes one model, another seed another") {
  const test::TempDir folder;
  ModelSpec spec = tiny("distilbert", Task::sequence_classification);
  make_model(spec, folder.path() / "a");
  make_model(spec, folder.path() / "b");
  spec.seed = 2;
  make_model(spec, folder.path() / "c");
  for (const std::string& name : names_in(folder.path() / "a")) {
    INFO(name);
    CHECK(test::read_bytes(folder.path() / "a" / name) == test::read_bytes(folder.path() / "b" / name));
  }
  CHECK(test::read_bytes(folder.path() / "a/model.onnx") != test::read_bytes(folder.path() / "c/model.onnx"));
  CHECK(test::read_bytes(folder.path() / "a/vocab.txt") != test::read_bytes(folder.path() / "c/vocab.txt"));
}

TEST_CASE("config.json says what was made") {
  const test::TempDir folder;
  ModelSpec spec = tiny("distilbert", Task::sequence_classification, 3);
  spec.layers = 1;
  make_model(spec, folder.path());
  auto config = nlohmann::json::parse(test::read_bytes(folder.path() / "config.json"));
  CHECK(config["model_type"] == "distilbert");
  CHECK(config["architectures"] == nlohmann::json{"DistilBertForSequenceClassification"});
  CHECK(config["dim"] == 48);
  CHECK(config["hidden_dim"] == 100);
  CHECK(config["n_layers"] == 1);
  CHECK(config["n_heads"] == 4);
  CHECK(config["vocab_size"] == 120);
  CHECK(config["max_position_embeddings"] == 40);
  CHECK(config["id2label"] == nlohmann::json{{"0", "LABEL_0"}, {"1", "LABEL_1"}, {"2", "LABEL_2"}});
  CHECK(config["label2id"]["LABEL_2"] == 2);

  make_model(tiny("bert", Task::question_answering), folder.path());  // over the first one
  config = nlohmann::json::parse(test::read_bytes(folder.path() / "config.json"));
  CHECK(config["model_type"] == "bert");
  CHECK(config["architectures"] == nlohmann::json{"BertForQuestionAnswering"});
  CHECK(config["hidden_size"] == 48);
  CHECK(config["intermediate_size"] == 100);
  CHECK(config["num_hidden_layers"] == 2);
  CHECK(config["num_attention_heads"] == 4);
  CHECK_FALSE(config.contains("id2label"));
}

TEST_CASE("every architecture answers text, and its tokenizer has no id beyond the model's") {
  for (const std::string& architecture : architecture_names()) {
    for (const std::int64_t vocab : {kSmallestVocabulary, std::int64_t{700}}) {
      INFO(architecture << " " << vocab);
      const test::TempDir folder;
      ModelSpec spec = tiny(architecture, Task::sequence_classification, 3);
      spec.vocab = vocab;
      make_model(spec, folder.path());
      const auto model = Model::load(folder.path());
      CHECK(model->max_tokens() == 40);
      const Classification answer = Session(model).classify("Hello there, 42 worlds!");
      CHECK(answer.logits.size() == 3);
      const auto tokenizer = load_tokenizer(folder.path());
      const Encoding encoding = tokenizer->encode("Hello there, 42 worlds!", EncodeOptions{.max_length = 40});
      CHECK(encoding.ids.size() == answer.tokens);
      CHECK(encoding.ids.size() > 8);
      for (const std::int64_t id : encoding.ids) CHECK((id >= 0 && id < vocab));
    }
  }
}

TEST_CASE("a size that the architecture does not have is refused") {
  ModelSpec spec = tiny("bert", Task::encoder);
  spec.embedding = 20;
  CHECK_THROWS_AS(check(spec), Error);
  spec = tiny("deberta-v3", Task::encoder);
  spec.buckets = 7;
  CHECK_THROWS_AS(check(spec), Error);
  spec = tiny("mobilebert", Task::encoder);
  spec.heads = 3;  // a divisor of hidden, but not of the bottleneck
  CHECK_THROWS_AS(check(spec), Error);
}

TEST_CASE("sizes that make no model are refused before anything is written") {
  const auto refused = [](auto change) {
    const test::TempDir folder;
    ModelSpec spec = tiny("bert", Task::encoder);
    change(spec);
    CHECK_THROWS_AS(make_model(spec, folder.path() / "model"), Error);
    CHECK_FALSE(fs::exists(folder.path() / "model"));
  };
  refused([](ModelSpec& spec) { spec.heads = 5; });
  refused([](ModelSpec& spec) { spec.heads = 0; });
  refused([](ModelSpec& spec) { spec.hidden = 0; });
  refused([](ModelSpec& spec) { spec.hidden = -48; });
  refused([](ModelSpec& spec) { spec.hidden = std::int64_t{1} << 62; });
  refused([](ModelSpec& spec) { spec.layers = 0; });
  refused([](ModelSpec& spec) { spec.layers = 1000000; });
  refused([](ModelSpec& spec) { spec.ffn = 0; });
  refused([](ModelSpec& spec) { spec.vocab = kSmallestVocabulary - 1; });
  refused([](ModelSpec& spec) { spec.max_positions = 0; });
  refused([](ModelSpec& spec) { spec.labels = 0; });
  refused([](ModelSpec& spec) { spec.hidden = 65536, spec.heads = 64, spec.layers = 1024; });
  refused([](ModelSpec& spec) { spec.architecture = "gpt"; });
}

TEST_CASE("a folder that cannot be written leaves what was there") {
  const test::TempDir folder;
  const ModelSpec spec = tiny("bert", Task::encoder);
  folder.write("file", "text");
  CHECK_THROWS_AS(make_model(spec, folder.path() / "file"), Error);
  CHECK_THROWS_AS(make_model(spec, folder.path() / "file" / "under"), Error);
  CHECK(test::read_bytes(folder.path() / "file") == "text");
}

TEST_CASE("a new model takes an old one's place and leaves other files") {
  const test::TempDir folder;
  make_model(tiny("bert", Task::encoder), folder.path());
  folder.write("notes.txt", "text");
  folder.write("model.onnx.data", "weights of a model that is gone");
  make_model(tiny("distilbert", Task::encoder), folder.path());
  CHECK(names_in(folder.path()) == std::set<std::string>{"config.json", "model.onnx", "notes.txt",
                                                         "special_tokens_map.json", "tokenizer_config.json",
                                                         "vocab.txt"});
  CHECK(engine::read_onnx(folder.path() / "model.onnx").inputs.size() == 2);
}

}  // namespace
}  // namespace sesame::models::synthesis
