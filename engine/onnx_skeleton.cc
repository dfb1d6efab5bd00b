#include "engine/onnx_skeleton.h"

#include <limits>
#include <span>
#include <string>

#include "engine/file_kind.h"
#include "engine/onnx_wire.h"
#include "sesame_onnx.pb.h"

namespace sesame::engine {

namespace {

// What to do with a field of a message. Fields without a rule are dropped.
enum class Keep {
  verbatim,
  as_tensor,  // its index instead
  as_mark,    // that it was there, empty
  as_graph,
  as_node,
  as_attribute,
  as_function,
};

struct Rule {
  std::uint64_t number;
  Keep keep;
};

constexpr Rule kModel[] = {{1, Keep::verbatim}, {2, Keep::verbatim}, {3, Keep::verbatim},
                           {7, Keep::as_graph}, {8, Keep::verbatim}, {25, Keep::as_function}};
constexpr Rule kGraph[] = {{1, Keep::as_node},   {2, Keep::verbatim},  {5, Keep::as_tensor},
                           {11, Keep::verbatim}, {12, Keep::verbatim}, {15, Keep::as_mark}};
constexpr Rule kNode[] = {{1, Keep::verbatim},     {2, Keep::verbatim}, {3, Keep::verbatim}, {4, Keep::verbatim},
                          {5, Keep::as_attribute}, {7, Keep::verbatim}, {8, Keep::verbatim}};
constexpr Rule kAttribute[] = {{1, Keep::verbatim},  {2, Keep::verbatim},  {3, Keep::verbatim},  {4, Keep::verbatim},
                               {5, Keep::as_tensor}, {6, Keep::as_graph},  {7, Keep::verbatim},  {8, Keep::verbatim},
                               {9, Keep::verbatim},  {10, Keep::as_mark},  {11, Keep::as_mark},  {14, Keep::as_mark},
                               {15, Keep::as_mark},  {20, Keep::verbatim}, {21, Keep::verbatim}, {22, Keep::as_mark},
                               {23, Keep::as_mark}};
constexpr Rule kFunction[] = {{1, Keep::verbatim},  {4, Keep::verbatim},      {5, Keep::verbatim},
                              {6, Keep::verbatim},  {7, Keep::as_node},       {9, Keep::verbatim},
                              {10, Keep::verbatim}, {11, Keep::as_attribute}, {13, Keep::verbatim}};

// Initializers of a subgraph are called by their names.
constexpr Rule kNameOnly[] = {{8, Keep::verbatim}};

const Rule* find_rule(std::span<const Rule> rules, std::uint64_t number) {
  for (const Rule& rule : rules) {
    if (rule.number == number) return &rule;
  }
  return nullptr;
}

class SkeletonWriter {
 public:
  explicit SkeletonWriter(std::vector<Bytes>& tensors) : tensors_(tensors) {}

  void copy(Bytes message, std::span<const Rule> rules, std::string& out) {
    WireReader reader(message);
    WireField field;
    while (reader.next(field)) {
      const Rule* rule = find_rule(rules, field.number);
      if (rule == nullptr) continue;
      if (rule->keep == Keep::verbatim) {
        out.append(reinterpret_cast<const char*>(field.whole.data()), field.whole.size());
      } else if (field.type == WireType::bytes) {
        const std::string inner = rewritten(field.bytes, rule->keep);
        append_bytes_header(out, field.number, inner.size());
        out += inner;
      }
    }
  }

 private:
  // Graph, node, attribute, and so on: subgraphs too deep inside others are only marked.
  std::string rewritten(Bytes message, Keep keep) {
    std::string out;
    if (keep == Keep::as_tensor) {
      append_varint_field(out, 1, tensors_.size());
      tensors_.push_back(message);
      if (depth_ > 1) copy(message, kNameOnly, out);
    }
    if (keep == Keep::as_graph && depth_ < kMaxDepth) {
      ++depth_;
      copy(message, kGraph, out);
      --depth_;
    }
    if (keep == Keep::as_node) copy(message, kNode, out);
    if (keep == Keep::as_attribute) copy(message, kAttribute, out);
    if (keep == Keep::as_function) {
      ++depth_;
      copy(message, kFunction, out);
      --depth_;
    }
    return out;
  }

  static constexpr int kMaxDepth = 8;

  std::vector<Bytes>& tensors_;
  int depth_ = 0;  // of graphs in graphs
};

// Why `file` is no model, after the walk over it has failed somewhere with `what`.
std::string explain(Bytes file, const std::string& what) {
  if (const auto kind = recognised_kind(file)) return "not an ONNX file: it is " + *kind;
  WireReader reader(file);
  WireField field;
  bool begins_like_a_model = false;
  try {
    while (reader.next(field)) {
      begins_like_a_model |= field.number == 1 && field.type == WireType::varint && field.value < 1000;
    }
  } catch (const WireError& error) {
    if (!begins_like_a_model) return "not an ONNX file";
    if (error.cut_short) return "truncated: the file ends at byte " + std::to_string(file.size()) + ", inside a field";
    return "damaged ONNX file: " + what;
  }
  return begins_like_a_model ? "damaged ONNX file: " + what : "not an ONNX file";
}

}  // namespace

OnnxSkeleton::OnnxSkeleton() : model(std::make_unique<sesame_onnx::ModelProto>()) {}
OnnxSkeleton::~OnnxSkeleton() = default;
OnnxSkeleton::OnnxSkeleton(OnnxSkeleton&&) noexcept = default;

OnnxSkeleton read_skeleton(Bytes file) {
  OnnxSkeleton skeleton;
  std::string bytes;
  try {
    SkeletonWriter(skeleton.tensors).copy(file, kModel, bytes);
  } catch (const WireError& error) {
    throw Error(explain(file, error.what()));
  }
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error("more than 2 GB of nodes, tensors aside");
  }
  if (!skeleton.model->ParseFromString(bytes)) throw Error(explain(file, "its messages do not parse"));
  if (!skeleton.model->has_graph()) {
    const auto kind = recognised_kind(file);
    throw Error(kind ? "not an ONNX file: it is " + *kind : "not an ONNX file: no graph in it");
  }
  return skeleton;
}

std::size_t tensor_index(const sesame_onnx::TensorProto& placeholder) {
  // Protobuf merges a field that is there twice; the last one counts.
  return static_cast<std::size_t>(placeholder.dims(placeholder.dims_size() - 1));
}

}  // namespace sesame::engine
