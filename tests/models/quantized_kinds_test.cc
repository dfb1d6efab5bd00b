// Quantized graphs of other families and other quantizer settings than the exports at hand: float exports, quantized
// in many ways, are recognised as their float selves are, and give what their operators give one by one.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "engine/onnx_writer.h"
#include "engine/quantizer/calibration.h"
#include "models/loading.h"
#include "models/quantize_onnx.h"
#include "models/row_encoder_step.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/encoder_graph.h"
#include "tests/models/prepared.h"
#include "tests/support/conformance.h"

namespace sesame::models {
namespace {

namespace fs = std::filesystem;
using engine::OnnxForm;
using engine::Tensor;

struct Kind {
  const char* what;
  OnnxForm form;
  std::vector<std::string> operators;
  bool unsigned_weights = false;
  bool per_channel = false;
  bool reduce_range = false;
};

std::vector<Kind> kinds() {
  const std::vector<std::string> products = {"MatMul", "Gemm"}, sums = {"MatMul", "Gemm", "Gather", "Add"};
  const std::vector<std::string> all = engine::quantizable_operators();
  return {{"IntegerOps, s8 by channel", OnnxForm::integer_ops, products, false, true},
          {"IntegerOps, u8, tables", OnnxForm::integer_ops, {"MatMul", "Gather"}, true, false, true},
          {"QDQ, s8 by channel", OnnxForm::qdq, products, false, true},
          {"QDQ, sums, 7 bits", OnnxForm::qdq, sums, false, false, true},
          {"QDQ, everything, u8", OnnxForm::qdq, all, true},
          {"QOperator, s8 by channel", OnnxForm::qoperator, products, false, true},
          {"QOperator, sums, 7 bits", OnnxForm::qoperator, sums, false, false, true},
          {"QOperator, everything, u8", OnnxForm::qoperator, all, true}};
}

void quantize(const fs::path& model, const fs::path& out, const Kind& kind, const std::vector<test::DataSet>& sets) {
  engine::OnnxFormOptions options;
  options.form = kind.form;
  options.nodes.operators = kind.operators;
  options.nodes.heads = true;
  options.weight_type = kind.unsigned_weights ? engine::DType::u8 : engine::DType::i8;
  options.per_channel = kind.per_channel;
  options.reduce_range = kind.reduce_range;
  quantize_to_onnx(model, out, options, [&](const engine::Graph& graph, const std::vector<std::string>& values) {
    engine::Calibration calibration(graph, values, {.method = engine::CalibrationMethod::minmax});
    for (const auto& set : sets) calibration.observe(set.inputs);
    return calibration.ranges();
  });
}

// Of the largest element.
double worst_share(const Tensor& got, const Tensor& want) {
  double largest = 0, worst = 0;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    const double w = want.data<float>()[i], difference = std::fabs(w - got.data<float>()[i]);
    largest = std::max(largest, std::fabs(w));
    if (!(difference <= worst)) worst = difference;
  }
  return worst / largest;
}

// What an exporter would have left between the products.
int strays(const engine::Graph& graph) {
  int n = 0;
  for (const char* op : {"Softmax", "QLinearSoftmax", "MatMul", "QLinearMatMul", "MatMulInteger", "Erf"}) {
    n += test::count(graph, op);
  }
  return n;
}

}  // namespace

TEST_CASE("Any kind of quantization of any family is recognised and gives what its operators give") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  const TemporaryFolder folder;
  const fs::path out = folder / "out.onnx";
  for (const char* name :
       {"albert-seqcls-op13", "bert-seqcls-op11", "bert-tokcls-op12", "bert-odd-dims-op14", "distilbert-seqcls-op14",
        "electra-seqcls-op14", "layoutlm-tokcls-op14", "minilm-embed-op14", "mobilebert-seqcls-op13",
        "mpnet-model-op14", "roberta-seqcls-op13", "squeezebert-seqcls-op13"}) {
    const fs::path model = *shared / name;
    const auto sets = test::read_data_sets(model);
    const int layers = load_model(model, {})->recognition.layers_recognised;
    for (const Kind& kind : kinds()) {
      INFO(name << ", " << kind.what);
      quantize(model, out, kind, sets);
      const auto fused = load_model(out, {});
      CHECK(fused->recognition.layers_total == layers);
      CHECK(fused->recognition.layers_recognised == layers);
      for (const Unfused& each : fused->recognition.unfused) FAIL_CHECK(each.node + ": " + each.expected);
      CHECK(strays(fused->plan->graph()) == 0);
      const SourceModel source = read_source(out);
      const auto operators = plan_operators(source, source.graph);
      for (const auto& set : sets) {
        const auto want = test::run(*operators->plan, set.inputs);
        for (const int threads : {1, 3}) {
          const auto got = test::run(*fused->plan, set.inputs, {.threads = threads});
          REQUIRE(got.size() == want.size());
          // Static grids: all is exact but a softmax's sum. Others hand attention's floats on, whose last bits differ.
          for (std::size_t i = 0; i < got.size(); ++i) CHECK(!(worst_share(got[i], want[i]) > 1e-3));
        }
      }
    }
  }
}

TEST_CASE("Probabilities that are cleared of NaN and quantized give what their operators give, for no token too") {
  using Style = EncoderStyle;
  const TemporaryFolder folder;
  const fs::path model = folder / "model.onnx", out = folder / "out.onnx";
  for (const auto mask : {Style::MaskIs::sdpa_bool, Style::MaskIs::expanded}) {
    const EncoderGraph encoder({.scores = Style::Scores::sdpa, .mask = mask, .guards_nan = true});
    engine::write_onnx(encoder.raw(), model);
    auto inputs = padded(encoder.graph(), made_up({5, 9, 2}, EncoderGraph::kVocab), 9);
    const auto calibrated = inputs;
    inputs[1] = inputs[1].clone();
    std::fill_n(inputs[1].data<std::int64_t>() + 9, 9, 0);  // the second text has no token
    for (const Kind& kind : kinds()) {
      if (kind.form == OnnxForm::integer_ops) continue;
      INFO(kind.what << ", " << (mask == Style::MaskIs::expanded ? "finite" : "infinite"));
      quantize(model, out, kind, {{"made up", calibrated, {}}});
      const auto fused = load_model(out, {});
      CHECK(fused->recognition.layers_recognised == 2);
      for (const Unfused& each : fused->recognition.unfused) FAIL_CHECK(each.node + ": " + each.expected);
      CHECK(test::count(fused->plan->graph(), "IsNaN") == 0);
      const SourceModel source = read_source(out);
      const auto operators = plan_operators(source, source.graph);
      const Tensor want = test::run(*operators->plan, inputs)[0], got = test::run(*fused->plan, inputs)[0];
      // Rows of masked positions are not the answer's.
      const auto width = static_cast<std::size_t>(want.dim(2));
      const auto compare_rows = [&](std::size_t first, std::size_t count) {
        for (std::size_t i = first * width; i < (first + count) * width; ++i) {
          CHECK(!(std::fabs(want.data<float>()[i] - got.data<float>()[i]) > 1e-3f));
        }
      };
      compare_rows(0, 5);
      compare_rows(9, 9);
      compare_rows(18, 2);
    }
  }
}

TEST_CASE("Relative positions whose table is of bytes are those of its floats") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  const TemporaryFolder folder;
  const fs::path out = folder / "out.onnx";
  for (const char* name : {"bert-relkey-op14", "deberta-v3-seqcls-op14"}) {
    const auto sets = test::read_data_sets(*shared / name);
    for (const bool is_unsigned : {false, true}) {
      INFO(name << (is_unsigned ? ", u8" : ", s8"));
      quantize(*shared / name, out, {"", OnnxForm::integer_ops, {"MatMul", "Gather"}, is_unsigned}, sets);
      const auto fused = load_model(out, {});
      CHECK(fused->recognition.layers_recognised == 2);
      for (const Unfused& each : fused->recognition.unfused) FAIL_CHECK(each.node + ": " + each.expected);
      const SourceModel source = read_source(out);
      const auto operators = plan_operators(source, source.graph);
      for (const auto& set : sets) {
        const auto want = test::run(*operators->plan, set.inputs), got = test::run(*fused->plan, set.inputs);
        for (std::size_t i = 0; i < got.size(); ++i) CHECK(!(worst_share(got[i], want[i]) > 2e-2));
      }
    }
  }
}

TEST_CASE("Where grids are static, padding changes no bit of a quantized encoder's answer") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const char* name : {"bert-int8-qdq-s8s8-pc", "distilbert-int8-qdq-u8s8"}) {
    INFO(name);
    const auto model = load_model(*shared / name, {});
    const engine::Graph& graph = model->plan->graph();
    const Sequences texts = made_up({5, 11, 3}, 100);
    for (std::size_t b = 0; b < texts.size(); ++b) {
      const auto alone = test::run(*model->plan, padded(graph, {texts[b]}, texts[b].size()));
      const auto batch = test::run(*model->plan, padded(graph, texts, 13));
      CHECK(same_bits(row(batch[0], b), row(alone[0], 0)));
    }
  }
}

}  // namespace sesame::models
