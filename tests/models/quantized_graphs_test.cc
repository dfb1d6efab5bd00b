// Graphs that bring their own quantization keep it: their products run on bytes, packed once, in no other precision.
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "models/loading.h"
#include "models/row_encoder_step.h"
#include "tests/catch.h"
#include "tests/files.h"
#include "tests/models/prepared.h"
#include "tests/support/conformance.h"

namespace sesame::models {
namespace {

using engine::DType;
using engine::Graph;
using engine::Node;

// Linears by constant bytes that the export has, and what is left of it in float: products of two activations, and
// Linears that the quantizer left out, those of the same rows as one.
struct Expected {
  const char* name;
  int quantized_linears;
  int float_products;
  int byte_products;  // of two activations
};
const std::vector<Expected> kExports = {{"albert-int8-dyn-s8", 9, 8, 0},        {"bert-int8-dyn-s8-pc", 14, 4, 0},
                                        {"bert-int8-dyn-s8-pc-rr", 14, 4, 0},   {"bert-int8-qdq-s8s8-pc", 14, 0, 4},
                                        {"bert-int8-qoperator-u8s8", 14, 0, 4}, {"deberta-int8-dyn-s8", 14, 4, 0},
                                        {"distilbert-int8-dyn-s8", 14, 4, 0},   {"distilbert-int8-dyn-u8", 14, 4, 0},
                                        {"distilbert-int8-qdq-u8s8", 14, 0, 4}, {"minilm-int8-qdq-entropy", 12, 0, 4},
                                        {"roberta-int8-dyn-u8", 14, 4, 0}};

int count(const Graph& graph, std::initializer_list<const char*> ops) {
  int n = 0;
  for (const char* op : ops) n += test::count(graph, op);
  return n;
}

// Products inside recognised encoders.
struct InStructs {
  int quantized_linears = 0;
  int float_products = 0;
  int byte_products = 0;
};

InStructs count_structs(const Graph& graph) {
  InStructs found;
  for (const Node& node : graph.nodes) {
    const auto* step = dynamic_cast<const RowEncoderStep*>(node.step.get());
    if (step == nullptr) continue;
    for (const RowProgram& program : step->encoder().programs) {
      for (const RowOp& op : program) {
        found.quantized_linears += std::holds_alternative<ByteLinearRows>(op);
        found.float_products += std::holds_alternative<LinearRows>(op);
      }
    }
    for (const RowAttention& a : step->encoder().attentions)
      (a.bytes ? found.byte_products : found.float_products) += 2;
  }
  return found;
}

}  // namespace

TEST_CASE("Quantized exports run their linears on bytes, and none in float") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const Expected& want : kExports) {
    INFO(want.name);
    const auto model = load_model(*shared / want.name, {});
    const Graph& graph = model->plan->graph();
    const InStructs in = count_structs(graph);
    CHECK(test::count(graph, "QuantizedLinear") + in.quantized_linears == want.quantized_linears);
    CHECK(count(graph, {"MatMul", "Linear", "Gemm"}) + in.float_products == want.float_products);
    CHECK(count(graph, {"QLinearMatMul", "MatMulIntegerToFloat"}) + in.byte_products == want.byte_products);
    CHECK(count(graph, {"MatMulInteger", "QGemm", "DynamicQuantizeMatMul"}) == 0);
    // Packed weights are all there is: no constant matrix of bytes is left but tables, whose rows are gathered.
    for (const Node& node : graph.nodes) {
      for (engine::ValueId id : node.inputs) {
        const engine::Tensor& t = graph.constant(id);
        const bool bytes = t && (t.type() == DType::u8 || t.type() == DType::i8) && t.rank() == 2;
        if (bytes) CHECK(node.op == "Gather");
      }
    }
    CHECK_FALSE(model->source.quantization.empty());
    CHECK(model->recognition.layers_total == 2);
    CHECK(model->recognition.layers_recognised == 2);
    for (const Unfused& each : model->recognition.unfused) FAIL_CHECK(each.node + ": " + each.expected);
  }
}

TEST_CASE("Quantized exports give one answer at every level and number of threads") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  for (const Expected& each : kExports) {
    INFO(each.name);
    const auto model = load_model(*shared / each.name, {});
    for (const auto& set : test::read_data_sets(*shared / each.name)) {
      std::vector<engine::Tensor> first;
      for (kernels::Isa isa : kernels::supported_isas()) {
        for (int threads : {1, 3}) {
          const auto got = test::run(*model->plan, set.inputs, {.isa = isa, .threads = threads});
          if (first.empty()) first = got;
          for (std::size_t i = 0; i < got.size(); ++i) CHECK(test::equal_bits(first[i], got[i]));
        }
      }
    }
  }
}

TEST_CASE("inspect tells a quantized graph's format, types and granularity by layer") {
  const auto shared = shared_material("conformance/models");
  if (!shared) return;
  const auto lines = [&](const char* name) { return load_model(*shared / name, {})->source.quantization; };
  const auto has = [](const std::vector<std::string>& all, const char* line) {
    return std::find(all.begin(), all.end(), line) != all.end();
  };
  const auto dynamic = lines("bert-int8-dyn-s8-pc");
  CHECK(has(dynamic, "layer 0: IntegerOps, 6 linears: uint8 per tensor (dynamic) x int8 per channel"));
  CHECK(has(dynamic, "layer 1: IntegerOps, 6 linears: uint8 per tensor (dynamic) x int8 per channel"));
  CHECK(has(dynamic, "head: IntegerOps, 2 linears: uint8 per tensor (dynamic) x int8 per channel"));
  CHECK(has(lines("bert-int8-qdq-s8s8-pc"), "layer 1: QDQ, 6 linears: int8 per tensor (static) x int8 per channel"));
  CHECK(has(lines("bert-int8-qoperator-u8s8"),
            "layer 0: QOperator, 6 linears: uint8 per tensor (static) x int8 per tensor"));
  CHECK(lines("bert-seqcls-op11").empty());
}

}  // namespace sesame::models
