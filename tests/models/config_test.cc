#include "models/config.h"

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/support.h"

using namespace sesame;

namespace {

ModelConfig config_of(const std::string& config, const std::string& tokenizer = "{}") {
  return read_model_config(MemoryFiles("m", {{"config.json", config}, {"tokenizer_config.json", tokenizer}}));
}

std::string error_of(const std::string& config) {
  try {
    config_of(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a folder without files gives an empty config") {
  const test::TempDir folder;
  const ModelConfig config = read_model_config(folder.path());
  CHECK(config.model_type.empty());
  CHECK(config.labels.empty());
  CHECK_FALSE(config.max_tokens());
  CHECK_FALSE(config.num_labels);
}

TEST_CASE("labels go by their number and not by their place") {
  const auto config = config_of(R"({"id2label": {"10": "k", "2": "c", "0": "a", "1": "b"}})");
  REQUIRE(config.labels.size() == 11);
  CHECK(config.labels[0] == "a");
  CHECK(config.labels[2] == "c");
  CHECK(config.labels[3] == "LABEL_3");
  CHECK(config.labels[10] == "k");
  CHECK(config.label(2) == "c");
  CHECK(config.label(77) == "LABEL_77");
  CHECK(config.num_labels == 11);
}

TEST_CASE("sizes are found under each family's names") {
  const auto bert = config_of(R"({"model_type": "bert", "hidden_size": 4, "num_hidden_layers": 2, "vocab_size": 9,
      "num_attention_heads": 1, "intermediate_size": 8, "type_vocab_size": 2, "architectures": ["BertModel"]})");
  CHECK(bert.hidden == 4);
  CHECK(bert.layers == 2);
  CHECK(bert.heads == 1);
  CHECK(bert.ffn == 8);
  CHECK(bert.vocab == 9);
  CHECK(bert.type_vocab_size == 2);
  CHECK(bert.architectures == std::vector<std::string>{"BertModel"});
  const auto distilbert =
      config_of(R"({"dim": 4, "n_layers": 2, "n_heads": 1, "hidden_dim": 8, "problem_type": null})");
  CHECK(distilbert.hidden == 4);
  CHECK(distilbert.layers == 2);
  CHECK(distilbert.heads == 1);
  CHECK(distilbert.ffn == 8);
  CHECK(distilbert.problem_type.empty());
}

TEST_CASE("the most tokens are the tokenizer's and the position table's smaller limit") {
  CHECK(config_of(R"({"max_position_embeddings": 512})").max_tokens() == 512);
  CHECK(config_of(R"({"max_position_embeddings": 512})", R"({"model_max_length": 64})").max_tokens() == 64);
  CHECK(config_of(R"({"max_position_embeddings": 32})", R"({"model_max_length": 64})").max_tokens() == 32);
  CHECK(config_of("{}", R"({"model_max_length": 64})").max_tokens() == 64);
}

TEST_CASE("a limit that means none is ignored") {
  CHECK_FALSE(config_of("{}", R"({"model_max_length": 1000000000000000019884624838656})").max_tokens());
  CHECK_FALSE(config_of("{}", R"({"model_max_length": 1e30})").max_tokens());
  CHECK_FALSE(config_of("{}", R"({"model_max_length": null})").max_tokens());
}

TEST_CASE("positions of RoBERTa begin behind the padding's") {
  const std::string rest = R"(, "max_position_embeddings": 514, "pad_token_id": 1})";
  CHECK(config_of(R"({"model_type": "roberta")" + rest).max_tokens() == 512);
  CHECK(config_of(R"({"model_type": "xlm-roberta")" + rest).max_tokens() == 512);
  CHECK(config_of(R"({"model_type": "camembert", "max_position_embeddings": 514})").max_tokens() == 512);
  CHECK(config_of(R"({"model_type": "bert")" + rest).max_tokens() == 514);
  CHECK(config_of(R"({"model_type": "roberta", "max_position_embeddings": 1})").max_tokens() == 0);
}

TEST_CASE("damaged configs are refused with one line") {
  CHECK(error_of(R"({"id2label": {"0": "a")") ==
        "m: config.json: expected JSON, found a syntax error at byte 22 of 22");
  CHECK(error_of("[1, 2]") == "m: config.json: expected an object, found an array of 2");
  CHECK(error_of(R"({"model_type": 7})") == "m: config.json: model_type: expected a string, found 7");
  CHECK(error_of(R"({"id2label": {"0": 1}})") == "m: config.json: id2label.0: expected a string, found 1");
  CHECK(error_of(R"({"id2label": {"x": "a"}})") ==
        "m: config.json: id2label: expected class numbers from 0 to 66 as keys, found \"x\"");
  CHECK(error_of(R"({"id2label": {"2000000000": "a"}})").find("from 0 to 66") != std::string::npos);
  CHECK(error_of(R"({"hidden_size": -1})").find("hidden_size: expected an integer from 0") != std::string::npos);
  CHECK(error_of(R"({"hidden_size": 18446744073709551615})").find("hidden_size") != std::string::npos);
  CHECK(error_of(R"({"hidden_size": 1e999})").find("config.json: expected JSON") != std::string::npos);
  CHECK(error_of(std::string(200000, '[')).find("config.json: expected JSON") != std::string::npos);
  CHECK(error_of(std::string(100000, '[') + std::string(100000, ']')).find("expected an object") != std::string::npos);
}

TEST_CASE("the shared intent model's config") {
  const auto folder = test::shared_path("models/intent");
  if (!folder) return;
  const ModelConfig config = read_model_config(*folder);
  CHECK(config.model_type == "distilbert");
  CHECK(config.labels.size() == 151);
  CHECK(config.labels[2] == "alarm");
  CHECK(config.max_tokens() == 64);
  CHECK(config.hidden == 256);
}
