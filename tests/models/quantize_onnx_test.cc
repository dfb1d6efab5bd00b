#include "models/quantize_onnx.h"

#include <sys/stat.h>

#include "engine/onnx_reader.h"
#include "engine/onnx_writer.h"
#include "models/calibration.h"
#include "models/calibration_texts.h"
#include "models/synthesis/make_model.h"
#include "sesame/sesame.h"
#include "tests/files.h"
#include "tests/support/conformance.h"
#include "tests/support/small_graph.h"

namespace sesame::models {
namespace {

namespace fs = std::filesystem;
using engine::OnnxForm;
using engine::OnnxFormOptions;

synthesis::ModelSpec tiny() {
  synthesis::ModelSpec spec;
  spec.architecture = "distilbert";
  spec.hidden = 32;
  spec.layers = 2;
  spec.heads = 2;
  spec.ffn = 64;
  spec.vocab = 300;
  spec.max_positions = 16;
  spec.labels = 3;
  return spec;
}

struct TinyModel {
  TemporaryFolder folder;
  fs::path path = folder / "model";
  TinyModel() { synthesis::make_model(tiny(), path); }

  FindRanges on_texts(const engine::CalibrationOptions& options = {}) const {
    return [this, options](const engine::Graph& graph, const std::vector<std::string>& values) {
      const std::vector<std::string> texts = {"one two three", "four", std::string(400, 'x') + " five six " + "seven"};
      return observe_values(path, graph, values, texts, options).ranges();
    };
  }
};

OnnxFormOptions everything(OnnxForm form) {
  OnnxFormOptions options;
  options.form = form;
  options.nodes.operators = engine::quantizable_operators();
  options.nodes.heads = true;
  return options;
}

TEST_CASE("each form of a folder is a folder that answers nearly as before", "[quantizer]") {
  const TinyModel tiny;
  Session before(Model::load(tiny.path));
  const Classification want = before.classify("one two three");
  for (const OnnxForm form : {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator}) {
    const fs::path out = tiny.folder / std::string(name(form));
    const auto report = quantize_to_onnx(tiny.path, out, everything(form), tiny.on_texts());
    CHECK(report.quantized.at("MatMul") == (form == OnnxForm::integer_ops ? 12 : 16));
    Session after(Model::load(out));
    CHECK(after.model().labels() == before.model().labels());
    const Classification got = after.classify("one two three");
    float largest = 0;
    for (const float x : want.logits) largest = std::max(largest, std::fabs(x));
    for (std::size_t i = 0; i < want.logits.size(); ++i) {
      CHECK(!(std::fabs(got.logits[i] - want.logits[i]) > 0.2f * largest));
    }
  }
}

// The model as float16 exports have it: weights, casts and logits in float16.
void store_as_half(const fs::path& from, const fs::path& to) {
  engine::Graph graph = engine::read_onnx(from);
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    engine::Tensor& constant = graph.value(static_cast<engine::ValueId>(v)).constant;
    if (!constant || constant.type() != engine::DType::f32) continue;
    const engine::Tensor halves = engine::Tensor::allocate(engine::DType::f16, constant.shape());
    for (std::int64_t i = 0; i < halves.size(); ++i) {
      halves.data<engine::Half>()[i] = engine::to_half(std::max(constant.data<float>()[i], -65504.0f));
    }
    constant = halves;
  }
  for (engine::Node& node : graph.nodes) {
    if (node.is("Cast") && node.attributes.integer("to") == 1) node.attributes.set("to", std::int64_t{10});
  }
  for (const engine::ValueId id : graph.outputs) graph.value(id).declared_type = engine::DType::f16;
  engine::write_onnx(graph, to);
}

TEST_CASE("float16 weights are widened and quantized", "[quantizer]") {
  const TinyModel tiny;
  Session before(Model::load(tiny.path));
  const auto want = before.classify("one two three").logits;
  store_as_half(tiny.path / "model.onnx", tiny.path / "half.onnx");
  fs::rename(tiny.path / "half.onnx", tiny.path / "model.onnx");
  for (const OnnxForm form : {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator}) {
    const fs::path out = tiny.folder / std::string(name(form));
    const auto report = quantize_to_onnx(tiny.path, out, everything(form), tiny.on_texts());
    CHECK(report.quantized.at("MatMul") == (form == OnnxForm::integer_ops ? 12 : 16));
    CHECK(report.notes.front() == "float16 is widened: what is not quantized becomes fp32");
    Session after(Model::load(out));
    const auto got = after.classify("one two three").logits;
    float largest = 0;
    for (const float x : want) largest = std::max(largest, std::fabs(x));
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(!(std::fabs(got[i] - want[i]) > 0.2f * largest));
  }
}

TEST_CASE("the same options give the same bytes", "[quantizer]") {
  const TinyModel tiny;
  for (const OnnxForm form : {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator}) {
    quantize_to_onnx(tiny.path, tiny.folder / "a.onnx", everything(form), tiny.on_texts());
    quantize_to_onnx(tiny.path, tiny.folder / "b.onnx", everything(form), tiny.on_texts());
    CHECK(content_of(tiny.folder / "a.onnx") == content_of(tiny.folder / "b.onnx"));
  }
}

TEST_CASE("a read-only source gives a folder that can be written again", "[quantizer]") {
  const TinyModel tiny;
  fs::permissions(tiny.path / "config.json", fs::perms::owner_read);
  for (int i = 0; i < 2; ++i) {
    quantize_to_onnx(tiny.path, tiny.folder / "out", everything(OnnxForm::integer_ops));
    CHECK((fs::status(tiny.folder / "out" / "config.json").permissions() & fs::perms::owner_write) != fs::perms::none);
  }
}

TEST_CASE("what can't be quantized is refused in one line, and nothing is written", "[quantizer]") {
  const TinyModel tiny;
  const auto refusal = [&](const OnnxFormOptions& options, const fs::path& out) {
    return message_of<Error>([&] { quantize_to_onnx(tiny.path, out, options); });
  };
  const fs::path out = tiny.folder / "out.onnx";
  CHECK(refusal(everything(OnnxForm::integer_ops), tiny.path).find("expected another file") != std::string::npos);
  CHECK(refusal(everything(OnnxForm::qdq), out) == "qdq is static: expected texts to calibrate on, found none");
  OnnxFormOptions adds = everything(OnnxForm::integer_ops);
  adds.nodes.operators = {"Add"};
  CHECK(refusal(adds, out).find("expected nodes to quantize, found none of the operators asked for (") !=
        std::string::npos);
  adds.nodes.exclude_nodes = "[";
  CHECK(refusal(adds, out).find("expected a regular expression") != std::string::npos);
  CHECK(!fs::exists(out));
  adds.nodes.exclude_nodes = "";
  quantize_to_onnx(tiny.path, out, adds, {}, IfNothing::write);
  CHECK(fs::exists(out));
}

TEST_CASE("an old file stays whole when the new one fails", "[quantizer]") {
  const TinyModel tiny;
  test::SmallGraph g;
  engine::Tensor w = test::random_floats({4, 4}, 1);
  w.data<float>()[0] = INFINITY;
  g.output(g.node("MatMul", {g.input("x", {-1, 4}), g.constant(w)}));
  engine::write_onnx(g.graph, tiny.folder / "broken.onnx");
  const fs::path out = tiny.folder.write("out.onnx", "precious");
  CHECK_THROWS_AS(quantize_to_onnx(tiny.folder / "broken.onnx", out, {}), Error);
  CHECK(content_of(out) == "precious");
}

TEST_CASE("every conformance model goes through every form and back", "[quantizer]") {
  const auto root = shared_material("conformance/models");
  if (!root) return;
  const TemporaryFolder folder;
  for (const fs::path& model : test::find_cases(*root)) {
    const auto sets = test::read_data_sets(model);
    for (const OnnxForm form : {OnnxForm::integer_ops, OnnxForm::qdq, OnnxForm::qoperator}) {
      INFO(model.filename().string() << ", " << name(form));
      const FindRanges find = [&](const engine::Graph& graph, const std::vector<std::string>& values) {
        engine::Calibration calibration(graph, values, {.method = engine::CalibrationMethod::minmax});
        for (const auto& set : sets) calibration.observe(set.inputs);
        return calibration.ranges();
      };
      OnnxFormOptions options;
      options.form = form;
      options.nodes.operators = {"MatMul", "Gemm", "Gather", "Add"};
      options.nodes.heads = true;
      const fs::path out = folder / "out.onnx";
      quantize_to_onnx(model, out, options, find, IfNothing::write);
      const engine::Graph graph = engine::read_onnx(out);
      for (const auto& set : sets) {
        const auto got = test::run_planned(graph, set.inputs, kernels::default_isa(), 1);
        const auto want =
            test::run_planned(engine::read_onnx(model / "model.onnx"), set.inputs, kernels::default_isa(), 1);
        double signal = 0, noise = 0;
        for (std::size_t i = 0; i < want.size(); ++i) {
          REQUIRE(got[i].shape() == want[i].shape());
          if (want[i].type() != engine::DType::f32) continue;
          for (std::int64_t k = 0; k < want[i].size(); ++k) {
            signal += std::pow(want[i].data<float>()[k], 2);
            noise += std::pow(want[i].data<float>()[k] - got[i].data<float>()[k], 2);
          }
        }
        // The answer survives: noise below a third of the signal, in untrained models with every Add in 8 bits.
        CHECK(!(noise > signal / 9));
      }
    }
  }
}

TEST_CASE("calibration texts: formats, samples, seeds", "[quantizer]") {
  const TemporaryFolder folder;
  const auto tsv = folder.write("a.tsv", "text\tlabel\none\t0\r\n\ntwo\twords\t1\nno label\n");
  CHECK(read_calibration_texts(tsv, 10, 1) == std::vector<std::string>{"one", "two\twords", "no label"});
  const auto lines = folder.write("a.txt", "one\ntwo\twords\n\nthree");
  CHECK(read_calibration_texts(lines, 10, 1) == std::vector<std::string>{"one", "two\twords", "three"});
  const auto json = folder.write("a.json", R"({"train": [["one", "x"], ["", "y"], [3], ["two", "z"]]})");
  CHECK(read_calibration_texts(json, 10, 1) == std::vector<std::string>{"one", "two"});
  std::string many;
  for (int i = 0; i < 1000; ++i) many += std::to_string(i) + "\n";
  const auto file = folder.write("many.txt", many);
  CHECK(read_calibration_texts(file, 5, 1).size() == 5);
  CHECK(read_calibration_texts(file, 5, 1) == read_calibration_texts(file, 5, 1));
  CHECK(read_calibration_texts(file, 5, 1) != read_calibration_texts(file, 5, 2));
  for (const char* content : {"", "\n\n", "text\tlabel\n"}) {
    const auto empty = folder.write("empty.tsv", content);
    CHECK(message_of<Error>([&] { read_calibration_texts(empty, 5, 1); }) ==
          empty.string() + ": expected texts to calibrate on, found none");
  }
  for (const char* content : {"", "[]", "{}", "{\"train\": 1}", "{\"train\": []}"}) {
    CHECK_THROWS_AS(read_calibration_texts(folder.write("bad.json", content), 5, 1), Error);
  }
  CHECK_THROWS_AS(read_calibration_texts(folder / "absent", 5, 1), Error);
  CHECK_THROWS_AS(read_calibration_texts(folder.path(), 5, 1), Error);
}

}  // namespace
}  // namespace sesame::models
