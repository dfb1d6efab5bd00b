// Rows of a table of bytes, chosen by ids and made floats (engine/row_table.h).
#include <cstring>

#include "engine/operators/common.h"
#include "engine/operators/indexing.h"
#include "engine/operators/registry.h"
#include "engine/row_table.h"

namespace sesame::engine {

namespace {

class GatherBytes : public Operator {
 public:
  GatherBytes(const Graph& graph, const Node& node)
      : table_{graph.constant(node.input(0)), graph.constant(node.input(1))} {
    check_inputs(node, 3, 3);
    check(table_);
  }
  void infer(Inference& io) const override {
    check_type(io, 2, IndexTypes{});
    Shape shape = io.input(2).shape();
    shape.push_back(table_.width());
    io.output(0, DType::f32, std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& at = e.inputs[2];
    const Indices index(at);
    const auto width = static_cast<std::size_t>(table_.width());
    float* y = e.outputs[0].size() == 0 ? nullptr : e.outputs[0].data<float>();
    for (std::int64_t i = 0; i < at.size(); ++i) {
      const auto row = static_cast<std::size_t>(checked_index(index[i], table_.size()));
      if (y != nullptr) table_.row(*e.kernels, row, y + static_cast<std::size_t>(i) * width);
    }
  }

 private:
  RowTable table_;
};

}  // namespace

void register_gather_bytes(Registry& r) { r.add(kSesame, "GatherBytes", 1, make<GatherBytes>()); }

}  // namespace sesame::engine
