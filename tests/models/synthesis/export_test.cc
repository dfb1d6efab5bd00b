// The made graphs against real exports of the same sizes.
#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "engine/graph.h"
#include "engine/onnx_reader.h"
#include "models/synthesis/make_model.h"
#include "tests/catch.h"
#include "tests/models/synthesis/tiny.h"
#include "tests/support.h"

namespace sesame::models::synthesis {
namespace {

using engine::Graph;
using engine::Node;
using engine::Tensor;
using engine::ValueId;

Graph written_and_read(const ModelSpec& spec) {
  const test::TempDir folder;
  make_model(spec, folder.path() / "model");
  return engine::read_onnx(folder.path() / "model" / "model.onnx");
}

// The conformance models were exported through a wrapper whose module is called "m". What has no name but a number is
// numbered by all that the exporter ever made.
std::string without_wrapper(std::string name) {
  if (name.rfind("onnx::", 0) == 0) return name.substr(0, name.rfind('_'));
  if (name.rfind("/m/", 0) == 0) return name.substr(2);
  if (name.rfind("m.", 0) == 0) return name.substr(2);
  return name;
}

template <class T>
void print_all(std::ostream& out, const Tensor& tensor) {
  for (const T value : tensor.span<T>()) out << ' ' << value;
}

// Type and shape; the numbers too unless it is a weight, whose name stands for them.
std::string describe_constant(const Graph& graph, ValueId id) {
  const Tensor& tensor = graph.constant(id);
  std::ostringstream out;
  out << engine::name(tensor.type()) << engine::to_string(tensor.shape());
  if (tensor.type() == engine::DType::i64) {
    print_all<std::int64_t>(out, tensor);
  } else if (tensor.rank() == 0) {
    out.precision(9);
    print_all<float>(out, tensor);
  } else if (graph.value(id).name.rfind("onnx::", 0) != 0) {
    out << ' ' << without_wrapper(graph.value(id).name);
  }
  return out.str();
}

std::string describe_attribute(const engine::Attribute& attribute) {
  std::ostringstream out;
  if (const auto* integer = std::get_if<std::int64_t>(&attribute)) out << *integer;
  if (const auto* real = std::get_if<float>(&attribute)) out << *real << 'f';
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&attribute)) {
    for (const std::int64_t value : *integers) out << value << ',';
  }
  return out.str();
}

std::string describe_node(const Graph& graph, const Node& node) {
  std::string text = node.op + " " + without_wrapper(node.name) + " (";
  for (const ValueId id : node.inputs) {
    text += graph.is_constant(id) ? describe_constant(graph, id) : without_wrapper(graph.value(id).name);
    text += "; ";
  }
  text += ")";
  for (const auto& [name, value] : node.attributes.all()) text += " " + name + "=" + describe_attribute(value);
  return text;
}

// A line a node: operator, name, inputs down to the numbers of small constants, attributes.
std::vector<std::string> describe_nodes(const Graph& graph) {
  std::vector<std::string> lines;
  for (const Node& node : graph.nodes) lines.push_back(describe_node(graph, node));
  return lines;
}

std::vector<std::string> names_of_nodes(const Graph& graph) {
  std::vector<std::string> lines;
  for (const Node& node : graph.nodes) lines.push_back(node.op + " " + without_wrapper(node.name));
  return lines;
}

std::vector<std::string> describe_ends(const Graph& graph) {
  std::vector<std::string> lines;
  for (const auto* ids : {&graph.inputs, &graph.outputs}) {
    for (const ValueId id : *ids) {
      const engine::Value& value = graph.value(id);
      REQUIRE(value.declared_type);
      REQUIRE(value.declared_shape);
      std::string line =
          value.name + " " + std::string(engine::name(*value.declared_type)) + engine::to_string(*value.declared_shape);
      for (const std::string& name : value.declared_dim_names) line += " " + name;
      lines.push_back(line);
    }
  }
  return lines;
}

struct Export {
  const char* folder;
  ModelSpec spec;
};

std::vector<Export> exports_of_opset_14() {
  ModelSpec minilm = tiny("minilm", Task::encoder);
  minilm.hidden = 32;
  minilm.heads = 8;
  return {{"distilbert-seqcls-op14", tiny("distilbert", Task::sequence_classification, 5)},
          {"bert-model-pooler-op14", tiny("bert", Task::encoder)},
          {"electra-seqcls-op14", tiny("electra", Task::sequence_classification)},
          {"deberta-v3-seqcls-op14", tiny("deberta-v3", Task::sequence_classification)},
          {"minilm-embed-op14", minilm}};
}

// Their attributes and inputs follow another opset's rules; the nodes are the same.
std::vector<Export> exports_of_other_opsets() {
  return {{"distilbert-seqcls-op11", tiny("distilbert", Task::sequence_classification)},
          {"distilbert-qa-op13", tiny("distilbert", Task::question_answering)},
          {"bert-seqcls-op11", tiny("bert", Task::sequence_classification)},
          {"bert-qa-op13", tiny("bert", Task::question_answering)},
          {"bert-tokcls-op12", tiny("bert", Task::token_classification, 9)},
          {"bert-mlm-op13", tiny("bert", Task::masked_lm)},
          {"albert-seqcls-op13", tiny("albert", Task::sequence_classification)},
          {"roberta-seqcls-op13", tiny("roberta", Task::sequence_classification)},
          {"mobilebert-seqcls-op13", tiny("mobilebert", Task::sequence_classification)}};
}

TEST_CASE("a made model is the export's graph, node by node") {
  const auto folder = test::shared_path("conformance/models");
  if (!folder) return;
  for (const Export& each : exports_of_opset_14()) {
    INFO(each.folder);
    const Graph exported = engine::read_onnx(*folder / each.folder / "model.onnx");
    const Graph made = written_and_read(each.spec);
    CHECK(describe_ends(made) == describe_ends(exported));
    const auto want = describe_nodes(exported);
    const auto got = describe_nodes(made);
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == want[i]);
  }
}

TEST_CASE("a made model has the nodes of other opsets' exports") {
  const auto folder = test::shared_path("conformance/models");
  if (!folder) return;
  for (const Export& each : exports_of_other_opsets()) {
    INFO(each.folder);
    const Graph exported = engine::read_onnx(*folder / each.folder / "model.onnx");
    const Graph made = written_and_read(each.spec);
    CHECK(describe_ends(made) == describe_ends(exported));
    CHECK(names_of_nodes(made) == names_of_nodes(exported));
  }
}

TEST_CASE("every architecture and task is written and read back") {
  for (const std::string& architecture : architecture_names()) {
    for (const char* task :
         {"encoder", "sequence-classification", "token-classification", "question-answering", "masked-lm"}) {
      INFO(architecture << " " << task);
      const ModelSpec spec = tiny(architecture, task_of(task), 3);
      const Graph read = written_and_read(spec);
      Graph made = make_graph(spec);
      std::erase_if(made.nodes, [](const Node& node) { return node.op == "Constant"; });
      CHECK(names_of_nodes(read) == names_of_nodes(made));
      CHECK(describe_ends(read) == describe_ends(made));
      CHECK(read.opsets.at("") == 14);
      CHECK(read.producer_name == "sesame make-model");
    }
  }
}

TEST_CASE("gains lie around 1, all else around 0, and none is constant") {
  const Graph graph = make_graph(tiny("distilbert", Task::sequence_classification));
  int gains = 0;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.value_count()); ++id) {
    if (!graph.is_constant(id)) continue;
    const std::string& name = graph.value(id).name;
    INFO(name);
    const bool gain = name.find("orm.weight") != std::string::npos;
    gains += gain;
    const auto values = graph.constant(id).span<float>();
    for (const float value : values) {
      if (!(std::abs(value - (gain ? 1.0f : 0.0f)) < 4.91f * 0.05f)) FAIL("found " << value);
    }
    CHECK(std::set<float>(values.begin(), values.end()).size() > values.size() / 2);
  }
  CHECK(gains == 1 + 2 * 2);  // after the embeddings, and two a layer
}

TEST_CASE("the decoder of a masked language model is the embedding table, transposed") {
  for (const char* architecture : {"bert", "distilbert"}) {
    const Graph graph = make_graph(tiny(architecture, Task::masked_lm));
    const Node* decoder = nullptr;
    const Node* lookup = nullptr;
    for (const Node& node : graph.nodes) {
      if (node.op == "MatMul" && graph.is_constant(node.input(1))) decoder = &node;
      if (node.name.find("word_embeddings/Gather") != std::string::npos) lookup = &node;
    }
    REQUIRE(decoder != nullptr);
    REQUIRE(lookup != nullptr);
    const Tensor& table = graph.constant(lookup->input(0));
    const Tensor& weight = graph.constant(decoder->input(1));
    REQUIRE(weight.shape() == engine::Shape{48, 120});
    std::size_t wrong = 0;
    for (int row = 0; row < 120; ++row) {
      for (int column = 0; column < 48; ++column) {
        wrong += table.data<float>()[row * 48 + column] != weight.data<float>()[column * 120 + row];
      }
    }
    CHECK(wrong == 0);
  }
}

}  // namespace
}  // namespace sesame::models::synthesis
