#include "bench/task_yardstick.h"

#include <cstring>

#include "engine/onnx_reader.h"
#include "models/model.h"
#include "models/quantization.h"
#include "tests/catch.h"
#include "tests/files.h"

using namespace sesame;
using namespace sesame::bench;

namespace {

const auto kNoTick = [](double) {};

// The integers of a little-endian int64 .npy file, in C order.
std::vector<std::int64_t> read_npy(const std::filesystem::path& file) {
  const std::string bytes = content_of(file);
  REQUIRE(bytes.starts_with("\x93NUMPY\x01"));
  REQUIRE(bytes.find("'descr': '<i8', 'fortran_order': False") != std::string::npos);
  const std::size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  std::vector<std::int64_t> values((bytes.size() - header) / 8);
  std::memcpy(values.data(), bytes.data() + header, values.size() * 8);
  return values;
}

std::string list(std::span<const std::int64_t> values) {
  std::string text;
  for (const std::int64_t each : values) text += (text.empty() ? "" : ", ") + std::to_string(each);
  return "[" + text + "]";
}

// The conformance case's inputs with their labels, as rows that are masked already.
std::string masked_rows(const std::filesystem::path& folder) {
  const auto labels = read_npy(folder / "labels.npy");
  std::vector<engine::Tensor> inputs;
  for (int i = 0; i < 2; ++i) {
    inputs.push_back(
        engine::read_tensor_proto(folder / "test_data_set_1" / ("input_" + std::to_string(i) + ".pb")).tensor);
  }
  const auto length = static_cast<std::size_t>(inputs[0].dim(1));
  std::string lines;
  for (std::size_t at = 0; at < labels.size(); at += length) {
    const auto row = [&](std::span<const std::int64_t> all) { return list(all.subspan(at, length)); };
    lines += R"({"input_ids": )" + row(inputs[0].span<std::int64_t>()) + R"(, "attention_mask": )" +
             row(inputs[1].span<std::int64_t>()) + R"(, "labels": )" + row(labels) + "}\n";
  }
  return lines;
}

}  // namespace

TEST_CASE("int8 fills the masks of reactions as well as fp32, embeddings in int8 included") {
  const auto material = shared_material("conformance/models/albert-smiles-mlm");
  if (!material) return;
  const TemporaryFolder folder;
  const auto data = folder.write("reactions.jsonl", masked_rows(*material));
  const SourceModel source = read_source(*material);
  const auto fp32 = Model::load(*material);
  const TaskYardstick yardstick(data, fp32->loaded(), TaskKind::automatic, 1);
  const Answers want = yardstick.answers(fp32, kNoTick);
  const double score = yardstick.task().metrics(want)[0].value;
  CHECK(score == Approx(41.0 / 46));  // of the labels that come with the model
  for (const bool embeddings : {false, true}) {
    models::QuantizeOptions options;
    options.embeddings = embeddings;
    const auto quantized = models::quantize(source, options, {}, {});
    const auto int8 = std::make_shared<const Model>(models::load_quantized(source, quantized, options.attention));
    CHECK(yardstick.score(int8, kNoTick) == score);
    CHECK(yardstick.task().decisions(yardstick.answers(int8, kNoTick)) == yardstick.task().decisions(want));
  }
}

TEST_CASE("a sample is some of the rows, the same every time, and answers are compared in one line") {
  const std::filesystem::path intent = std::filesystem::path(SESAME_SOURCE_DIR) / "models" / "intent";
  const auto fp32 = Model::load(intent), int8 = Model::load(intent, {.precision = Precision::int8});
  const TaskYardstick yardstick(intent / "eval.tsv", fp32->loaded(), TaskKind::classification, 1);
  const auto sample = yardstick.sample(fp32, kNoTick);
  const std::size_t rows = std::min<std::size_t>(500, yardstick.task().rows().size());
  CHECK(sample.size() == rows * fp32->labels().size());
  CHECK(yardstick.sample(fp32, kNoTick) == sample);
  CHECK(yardstick.sample(int8, kNoTick) != sample);
  const Answers want = yardstick.answers(fp32, kNoTick);
  CHECK(yardstick.score(fp32, kNoTick) == yardstick.task().metrics(want)[0].value);
  CHECK_THAT(compare_line(yardstick.task(), want, want), Catch::EndsWith("same answer 100.00 %; nothing lost"));
  CHECK_THAT(compare_line(yardstick.task(), want, yardstick.answers(int8, kNoTick)),
             Catch::StartsWith("accuracy: fp32 72.54 %, int8 72.") && Catch::EndsWith(" dB"));
}
