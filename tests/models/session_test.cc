#include <cmath>
#include <cstring>
#include <map>

#include "models/eval/labelled_data.h"
#include "models/loading.h"
#include "sesame/error.h"
#include "sesame/sesame.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"

namespace sesame {
namespace {

using models::made_up;
using models::Sequences;
using models::synthesis::Task;
using models::synthesis::tiny;

std::shared_ptr<const Model> made(const models::synthesis::ModelSpec& spec, Precision precision = Precision::fp32) {
  const tests::TempDir folder;
  models::synthesis::make_model(spec, folder.path());
  return Model::load(folder.path(), {.precision = precision});
}

std::shared_ptr<const Model> classifier(Precision precision = Precision::fp32) {
  return made(tiny("distilbert", Task::sequence_classification, 5), precision);
}

TokenBatch batch_of(const Sequences& sequences) {
  TokenBatch batch;
  for (const auto& s : sequences) batch.add(s);
  return batch;
}

bool same(const Classification& a, const Classification& b) {
  return a.label_id == b.label_id && a.label == b.label && a.tokens == b.tokens && a.truncated == b.truncated &&
         std::memcmp(&a.score, &b.score, sizeof a.score) == 0 && models::same_bits(a.logits, b.logits);
}

TEST_CASE("Texts get the same answer alone and together, on any threads, in fp32 and in int8") {
  const std::vector<std::string_view> texts = {"hello there",
                                               "a",
                                               "",
                                               "what is the weather going to be like tomorrow",
                                               "no",
                                               "one two three four five six seven eight nine ten"};
  for (Precision precision : {Precision::fp32, Precision::int8}) {
    const auto model = classifier(precision);
    Session one(model);
    std::vector<Classification> alone;
    for (std::string_view text : texts) alone.push_back(one.classify(text));
    for (int threads : {1, 2, 3}) {
      Session session(model, {.threads = threads});
      const auto together = session.classify(texts);
      REQUIRE(together.size() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) CHECK(same(together[i], alone[i]));
    }
    CHECK(alone[0].logits.size() == 5);
    CHECK(alone[0].score > 0);
    CHECK(alone[0].score <= 1);
    CHECK(alone[0].label == "LABEL_" + std::to_string(alone[0].label_id));
  }
}

TEST_CASE("Longer texts than the position table are cut, and the answer says so") {
  Session session(classifier());
  std::string text;
  for (int i = 0; i < 100; ++i) text += "a ";
  const Classification cut = session.classify(text);
  CHECK(cut.truncated);
  CHECK(cut.tokens == 40);
  CHECK_FALSE(session.classify("a a a").truncated);
}

TEST_CASE("Batches of ids are checked before anything is read") {
  Session session(classifier());
  CHECK(session.classify(TokenBatch{}).empty());
  const auto message = [&](const TokenBatch& batch) { return message_of<Error>([&] { session.classify(batch); }); };
  TokenBatch batch = batch_of(made_up({3, 4}, 120));
  CHECK_NOTHROW(session.classify(batch));
  TokenBatch bad = batch;
  bad.row_offsets = {};
  CHECK(message(bad).find("row_offsets") != std::string::npos);
  bad.row_offsets = {0, 5, 3, 7};
  CHECK(message(bad).find("row_offsets") != std::string::npos);
  bad.row_offsets = {0, 3, 8};
  CHECK(message(bad).find("row_offsets") != std::string::npos);
  bad.row_offsets = {0, 3, 3, 7};
  CHECK(message(bad).find("sequence 1 is empty") != std::string::npos);
  bad = batch;
  bad.type_ids = {0};
  CHECK(message(bad).find("type_ids") != std::string::npos);
  CHECK(message(batch_of(made_up({3, 41}, 120))).find("sequence 1 has 41 tokens") != std::string::npos);
  bad = batch;
  bad.ids[5] = 120;
  CHECK(message(bad).find("id 120 at [1, 2]") != std::string::npos);
  CHECK_NOTHROW(session.classify(batch));  // and it goes on
}

TEST_CASE("Raw outputs are those of each sequence alone") {
  const auto model = made(tiny("bert", Task::encoder));
  Session session(model);
  const Sequences sequences = made_up({5, 9}, 120);
  std::vector<std::vector<float>> alone;
  for (const auto& s : sequences) {
    const auto outputs = session.run(batch_of({s}));
    REQUIRE(outputs.size() == 2);
    CHECK(outputs[0].name == "last_hidden_state");
    alone.emplace_back(outputs[0].values.begin(), outputs[0].values.end());
  }
  const auto outputs = session.run(batch_of(sequences));
  REQUIRE(std::vector<std::int64_t>(outputs[0].shape.begin(), outputs[0].shape.end()) ==
          std::vector<std::int64_t>{2, 9, 48});
  CHECK(std::memcmp(outputs[0].values.data(), alone[0].data(), alone[0].size() * sizeof(float)) == 0);
  CHECK(std::memcmp(outputs[0].values.data() + 9 * 48, alone[1].data(), alone[1].size() * sizeof(float)) == 0);
  CHECK_THROWS_AS(session.classify(batch_of(sequences)), Error);  // no classifier
}

TEST_CASE("Sessions give memory back and go on") {
  Session session(classifier());
  const Classification before = session.classify("hello");
  session.trim();
  CHECK(same(session.classify("hello"), before));
  Session moved = std::move(session);
  CHECK(same(moved.classify("hello"), before));
}

TEST_CASE("Types are taken where they are given") {
  Session session(made(tiny("bert", Task::sequence_classification)));
  TokenBatch batch;
  const std::vector<std::int64_t> ids = {5, 6, 7, 8}, types = {0, 0, 1, 1};
  batch.add(ids);
  batch.add(ids, types);
  const auto answers = session.classify(batch);
  CHECK_FALSE(models::same_bits(answers[0].logits, answers[1].logits));
  CHECK(models::same_bits(answers[0].logits, session.classify(batch_of({ids}))[0].logits));
}

// Exports with unusual inputs, loaded as their bare files.
TEST_CASE("Without a mask input no text is padded") {
  const auto shared = shared_material("conformance/models/bert-only-ids-op14");
  if (!shared) return;
  const auto model = Model::load(*shared / "model.onnx");
  Session session(model);
  REQUIRE(model->loaded().attention_mask == -1);
  const auto alone = session.run(batch_of({{5, 6, 7}}));
  const std::vector<float> want(alone[0].values.begin(), alone[0].values.end());
  CHECK_THROWS_AS(session.run(batch_of({{5, 6, 7}, {5, 6, 7, 8, 9}})), Error);
  const auto pair = session.run(batch_of({{9, 8, 7}, {5, 6, 7}}));
  CHECK(std::memcmp(pair[0].values.data() + want.size(), want.data(), want.size() * sizeof(float)) == 0);
  if (!model->labels().empty()) {
    const auto answers = session.classify(batch_of({{5, 6, 7}, {5, 6, 7, 8, 9}, {4, 3}}));
    REQUIRE(answers.size() == 3);
    CHECK(models::same_bits(answers[0].logits, want));
  }
}

TEST_CASE("int32 inputs take what fits them") {
  const auto shared = shared_material("conformance/models/distilbert-int32-inputs");
  if (!shared) return;
  Session session(Model::load(*shared / "model.onnx"));
  CHECK_NOTHROW(session.run(batch_of({{5, 6, 7}, {5, 6}})));
  const std::string message = message_of<Error>([&] {
    session.run(batch_of({{5, 6, 7}, {5, (std::int64_t{1} << 32) + 5}}));
  });
  CHECK(message.find("4294967301 at [1, 1]") != std::string::npos);
}

TEST_CASE("Fixed shapes are filled up") {
  const auto shared = shared_material("conformance/models/bert-fixed-shape");
  if (!shared) return;
  const auto model = Model::load(*shared / "model.onnx");
  Session session(model);
  const auto& shape = *model->loaded().plan->graph().value(model->loaded().plan->graph().inputs[0]).declared_shape;
  REQUIRE(shape[1] > 4);
  if (model->labels().empty()) return;
  const auto answers = session.classify(batch_of({{5, 6, 7}, {8, 9, 10, 11}, {5, 6, 7}}));
  REQUIRE(answers.size() == 3);
  CHECK(models::same_bits(answers[0].logits, answers[2].logits));
  CHECK_THROWS_AS(session.classify(batch_of(made_up({static_cast<std::size_t>(shape[1]) + 1}, 50))), Error);
}

std::vector<std::size_t> answers_of(const std::shared_ptr<const Model>& model,
                                    std::span<const models::LabelledText> data) {
  Session session(model, {.threads = 2});
  std::vector<std::size_t> labels;
  for (std::size_t begin = 0; begin < data.size(); begin += 64) {
    std::vector<std::string_view> texts;
    for (const auto& each : data.subspan(begin, std::min<std::size_t>(64, data.size() - begin))) {
      texts.push_back(each.text);
    }
    for (const Classification& c : session.classify(texts)) labels.push_back(c.label_id);
  }
  return labels;
}

double share_equal(const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
  REQUIRE(a.size() == b.size());
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

TEST_CASE("The intent model scores on CLINC150 what its card says, and int8 loses next to nothing") {
  const auto file = shared_material("data/clinc150/data_oos_plus.json");
  if (!file) return;
  const std::filesystem::path folder = std::filesystem::path(SESAME_SOURCE_DIR) / "models" / "intent";
  const auto fp32 = Model::load(folder, {.precision = Precision::fp32});
  const auto int8 = Model::load(folder, {.precision = Precision::int8});
  const auto data = models::read_labelled_texts(*file);
  REQUIRE(data.size() == 5500);
  const auto want = models::label_indices(data, fp32->labels());
  const auto a = answers_of(fp32, data);
  const auto b = answers_of(int8, data);
  CHECK(std::fabs(share_equal(a, want) - 0.8375) <= 0.001);
  CHECK(share_equal(b, want) >= share_equal(a, want) - 0.002);
  CHECK(share_equal(a, b) >= 0.995);
}

}  // namespace
}  // namespace sesame
