// Softmax, LogSoftmax and Hardmax: over all axes from `axis` on before opset 13, over that one axis since.
#include <algorithm>
#include <cmath>

#include "engine/operators/common.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

// Each turns a row of n elements into its result, in place.
struct Softmax {
  static void apply(const kernels::Table& kernels, float* x, std::size_t n) { kernels.softmax_row(x, n, x); }
  static void apply(const kernels::Table&, double* x, std::size_t n) {
    const double largest = *std::max_element(x, x + n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - largest);
    for (std::size_t i = 0; i < n; ++i) x[i] /= sum;
  }
};

struct LogSoftmax {
  // x - max - log(sum of exp(x - max)).
  static void apply(const kernels::Table& kernels, float* x, std::size_t n) {
    constexpr std::size_t kPiece = 512;
    float piece[kPiece];
    const float largest = *std::max_element(x, x + n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) x[i] -= largest;
    for (std::size_t begin = 0; begin < n; begin += kPiece) {
      const std::size_t count = std::min(kPiece, n - begin);
      kernels.exp_row(x + begin, count, piece);
      sum += kernels.sum_row(piece, count);
    }
    const auto log_sum = static_cast<float>(std::log(sum));
    for (std::size_t i = 0; i < n; ++i) x[i] -= log_sum;
  }
  static void apply(const kernels::Table&, double* x, std::size_t n) {
    const double largest = *std::max_element(x, x + n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(x[i] -= largest);
    for (std::size_t i = 0; i < n; ++i) x[i] -= std::log(sum);
  }
};

struct Hardmax {
  template <class T>
  static void apply(const kernels::Table&, T* x, std::size_t n) {
    const auto best = static_cast<std::size_t>(std::max_element(x, x + n) - x);
    std::fill_n(x, n, T{0});
    x[best] = 1;
  }
};

template <class Fn>
class AxisFunction : public Operator {
 public:
  explicit AxisFunction(const Node& node)
      : flattens_(node.version < 13), axis_(node.attributes.integer("axis", flattens_ ? 1 : -1)) {
    check_inputs(node, 1, 1);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    const std::size_t rank = io.input(0).rank();
    // The old form may flatten everything into the outer dimension.
    if (!(flattens_ && axis_ == static_cast<std::int64_t>(rank))) normalized_axis(axis_, rank);
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const Shape& shape = x.shape();
    const std::size_t axis = axis_ == static_cast<std::int64_t>(x.rank()) ? x.rank() : normalized_axis(axis_, x.rank());
    const auto after = shape.begin() + static_cast<std::ptrdiff_t>(axis);
    const std::int64_t n = flattens_ ? element_count({after, shape.end()}) : shape[axis];
    const std::int64_t inner = flattens_ ? 1 : element_count({after + 1, shape.end()});
    visit_in(Floats{}, x.type(), [&](auto t) { apply<decltype(t)>(e, n, inner); });
  }

 private:
  // Rows of n elements `stride` apart.
  template <class T>
  static void apply(const Execution& e, std::int64_t n, std::int64_t stride) {
    const T* x = e.inputs[0].data<T>();
    T* y = e.outputs[0].data<T>();
    if constexpr (std::is_same_v<T, float>) {
      if (stride == 1) {
        copy_all(e.inputs[0], e.outputs[0]);
        for (std::int64_t i = 0; i < e.inputs[0].size(); i += n)
          Fn::apply(*e.kernels, y + i, static_cast<std::size_t>(n));
        return;
      }
    }
    std::vector<Compute<T>> row(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < e.inputs[0].size() / n; ++i) {
      const std::int64_t begin = i / stride * n * stride + i % stride;
      for (std::int64_t j = 0; j < n; ++j) row[static_cast<std::size_t>(j)] = load(x[begin + j * stride]);
      Fn::apply(*e.kernels, row.data(), row.size());
      for (std::int64_t j = 0; j < n; ++j) y[begin + j * stride] = store<T>(row[static_cast<std::size_t>(j)]);
    }
  }

  bool flattens_;
  std::int64_t axis_;
};

}  // namespace

void register_softmax(Registry& r) {
  r.add("Softmax", 1, make<AxisFunction<Softmax>>());
  r.add("LogSoftmax", 1, make<AxisFunction<LogSoftmax>>());
  r.add("Hardmax", 1, make<AxisFunction<Hardmax>>());
}

}  // namespace sesame::engine
