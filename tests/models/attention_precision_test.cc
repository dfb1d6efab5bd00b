// int8 and bf16 attention inside a model: when it is chosen, and that its answers depend on nothing but the text.
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "models/model.h"
#include "models/synthesis/make_model.h"
#include "sesame/sesame.h"
#include "tests/catch.h"
#include "tests/models/synthesis/tiny.h"
#include "tests/support.h"

namespace sesame::models {
namespace {

// Two layers of 4 heads of `head_dim`.
std::filesystem::path make_classifier(const std::filesystem::path& folder, std::int64_t head_dim) {
  synthesis::ModelSpec spec = synthesis::tiny("distilbert", synthesis::Task::sequence_classification);
  spec.hidden = 4 * head_dim;
  synthesis::make_model(spec, folder);
  return folder;
}

TokenBatch batch_of(std::span<const std::vector<std::int64_t>> sequences) {
  TokenBatch batch;
  for (const auto& each : sequences) batch.add(each);
  return batch;
}

const std::vector<std::vector<std::int64_t>> kSequences = {
    {2, 7, 9, 3}, {2, 3}, {2, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 3}, {2, 40, 41, 42, 3}};

std::vector<std::vector<float>> logits(const std::shared_ptr<const Model>& model, int threads, bool together) {
  Session session(model, {.threads = threads});
  std::vector<std::vector<float>> all;
  for (std::size_t i = 0; i < kSequences.size(); i += together ? kSequences.size() : 1) {
    const auto part = std::span(kSequences).subspan(i, together ? kSequences.size() : 1);
    for (const Classification& answer : session.classify(batch_of(part))) all.push_back(answer.logits);
  }
  return all;
}

// What the recognised layers say that they attend in.
std::string attention_of(const std::shared_ptr<const Model>& model) {
  REQUIRE(!model->loaded().recognition.structs.empty());
  const std::string& layers = model->loaded().recognition.structs.back();
  const std::size_t at = layers.find("attention ");
  REQUIRE(at != std::string::npos);
  return layers.substr(at + 10, 4);
}

}  // namespace

TEST_CASE("attention goes with the Linears unless it is told otherwise") {
  const test::TempDir folder;
  const auto path = make_classifier(folder.path() / "m", 12);
  const auto loaded = [&](Precision linears, AttentionPrecision attention) {
    return attention_of(Model::load(path, {.precision = linears, .attention = attention}));
  };
  CHECK(loaded(Precision::int8, AttentionPrecision::automatic) == "int8");
  CHECK(loaded(Precision::bf16, AttentionPrecision::automatic) == "bf16");
  CHECK(loaded(Precision::fp32, AttentionPrecision::automatic) == "fp32");
  CHECK(loaded(Precision::automatic, AttentionPrecision::automatic) == "fp32");
  CHECK(loaded(Precision::int8, AttentionPrecision::fp32) == "fp32");
  CHECK(loaded(Precision::int8, AttentionPrecision::bf16) == "bf16");
  CHECK(loaded(Precision::fp32, AttentionPrecision::int8) == "int8");
}

TEST_CASE("names of attention's arithmetic are read back, others refused") {
  for (AttentionPrecision each :
       {AttentionPrecision::automatic, AttentionPrecision::fp32, AttentionPrecision::bf16, AttentionPrecision::int8}) {
    CHECK(parse_attention_precision(name(each)) == each);
  }
  CHECK_THROWS_AS(parse_attention_precision("int7"), Error);
}

TEST_CASE("with int8 and bf16 attention neither batch nor threads change a bit") {
  for (std::int64_t head_dim : {11, 32, 64}) {
    for (Precision precision : {Precision::int8, Precision::bf16}) {
      CAPTURE(head_dim, name(precision));
      const test::TempDir folder;
      const auto path = make_classifier(folder.path() / "m", head_dim);
      const auto model = Model::load(path, {.precision = precision});
      const auto want = logits(model, 1, false);
      CHECK(logits(model, 1, true) == want);
      CHECK(logits(model, 2, true) == want);
      CHECK(logits(model, 3, false) == want);
      const auto fp32 = Model::load(path, {.precision = precision, .attention = AttentionPrecision::fp32});
      CHECK(logits(fp32, 1, true) != want);  // or it would not have run as it says
    }
  }
}

}  // namespace sesame::models
