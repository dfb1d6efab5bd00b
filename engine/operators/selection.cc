// Operators that find, pick out or count along an axis: OneHot, TopK, NonZero, Compress, CumSum.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/operators/common.h"
#include "engine/operators/indexing.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

// Indices, depth, {off value, on value}. Indices out of range leave their row off.
class OneHot : public Operator {
 public:
  explicit OneHot(const Node& node) : axis_(node.attributes.integer("axis", -1)) { check_inputs(node, 3, 3); }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    check_type(io, 1, Numbers{});
    check_shape("values", io.input(2).shape(), {2});
    Shape shape = io.input(0).shape();
    const double depth = scalar_value(io.value(1), "depth");
    if (!(depth >= 1 && depth < 0x1p59)) throw Error("depth " + std::to_string(depth) + " is out of range");
    const std::size_t axis = normalized_axis(axis_, shape.size() + 1);
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), static_cast<std::int64_t>(depth));
    io.output(0, io.input(2).type(), std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    if (y.size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, y.rank());
    const std::int64_t depth = y.dim(axis);
    const std::int64_t inner = product(y.shape(), axis + 1, y.rank());
    visit(y.type(), [&](auto t) {
      using T = decltype(t);
      const T* values = e.inputs[2].data<T>();
      std::fill_n(y.data<T>(), y.size(), values[0]);
      visit_in(Numbers{}, e.inputs[0].type(), [&](auto u) {
        const auto* indices = e.inputs[0].data<decltype(u)>();
        for (std::int64_t i = 0; i < e.inputs[0].size(); ++i) {
          auto at = to_index(load(indices[i]));
          if (at < -depth || at >= depth) continue;
          if (at < 0) at += depth;
          y.data<T>()[(i / inner * depth + at) * inner + i % inner] = values[1];
        }
      });
    });
  }

 private:
  template <class T>
  static std::int64_t to_index(T x) {
    if constexpr (std::is_floating_point_v<T>) {
      return to_integer<std::int64_t>(x);
    } else {
      return static_cast<std::int64_t>(x);
    }
  }
  std::int64_t axis_;
};

// The largest (or smallest) k along an axis, in order, the earlier of equal ones first; NaN counts as largest.
class TopK : public Operator {
 public:
  explicit TopK(const Node& node)
      : axis_(node.attributes.integer("axis", -1)), largest_(node.attributes.integer("largest", 1) != 0) {
    check_inputs(node, node.version >= 10 ? 2 : 1, node.version >= 10 ? 2 : 1);
    if (node.version < 10) fixed_k_ = node.attributes.integer("k");
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    Shape shape = io.input(0).shape();
    const std::size_t axis = normalized_axis(axis_, shape.size());
    const std::int64_t k = fixed_k_ ? *fixed_k_ : scalar_integer(io.value(1), "k");
    if (k < 0 || k > shape[axis]) {
      throw Error("k " + std::to_string(k) + " is out of range [0, " + std::to_string(shape[axis]) + "]");
    }
    shape[axis] = k;
    io.output(0, io.input(0).type(), shape);
    io.output(1, DType::i64, shape);
  }
  void compute(const Execution& e) const override {
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto t) { select<decltype(t)>(e); });
  }

 private:
  template <class T>
  void select(const Execution& e) const {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t dim = x.dim(axis);
    const std::int64_t k = fixed_k_ ? *fixed_k_ : scalar_integer(e.inputs[1], "k");
    const std::int64_t inner = product(x.shape(), axis + 1, x.rank());
    std::vector<std::int64_t> order(static_cast<std::size_t>(dim));
    for (std::int64_t row = 0; row < x.size() / dim; ++row) {
      const std::int64_t outer = row / inner;
      const T* from = x.data<T>() + outer * dim * inner + row % inner;
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](std::int64_t a, std::int64_t b) {
        const auto va = load(from[a * inner]);
        const auto vb = load(from[b * inner]);
        if (above(va, vb)) return largest_;
        if (above(vb, va)) return !largest_;
        return a < b;
      });
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t to = (outer * k + i) * inner + row % inner;
        const std::int64_t chosen = order[static_cast<std::size_t>(i)];
        if (wants(e, 0)) e.outputs[0].data<T>()[to] = from[chosen * inner];
        if (wants(e, 1)) e.outputs[1].data<std::int64_t>()[to] = chosen;
      }
    }
  }
  template <class C>
  static bool above(C a, C b) {
    return a > b || (a != a && b == b);
  }

  std::int64_t axis_;
  bool largest_;
  std::optional<std::int64_t> fixed_k_;
};

// The coordinates of the elements that are not 0, one column each.
class NonZero : public Operator {
 public:
  explicit NonZero(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override {
    std::int64_t count = 0;
    for_each(io.value(0), [&](std::int64_t) { ++count; });
    io.output(0, DType::i64, {static_cast<std::int64_t>(io.input(0).rank()), count});
  }
  void compute(const Execution& e) const override {
    const Shape& shape = e.inputs[0].shape();
    const std::int64_t count = e.outputs[0].dim(1);
    std::int64_t column = 0;
    for_each(e.inputs[0], [&](std::int64_t n) {
      for (std::size_t i = shape.size(); i-- > 0; n /= shape[i]) {
        e.outputs[0].data<std::int64_t>()[static_cast<std::int64_t>(i) * count + column] = n % shape[i];
      }
      ++column;
    });
  }

 private:
  template <class Fn>
  static void for_each(const Tensor& x, Fn fn) {
    visit(x.type(), [&](auto t) {
      for (std::int64_t n = 0; n < x.size(); ++n) {
        if (load(x.data<decltype(t)>()[n]) != 0) fn(n);
      }
    });
  }
};

// Keeps the slices along an axis (or the elements of the flattened input) whose condition is true.
class Compress : public Operator {
 public:
  explicit Compress(const Node& node) {
    check_inputs(node, 2, 2);
    if (node.attributes.has("axis")) axis_ = node.attributes.integer("axis");
  }
  void infer(Inference& io) const override {
    check_type(io, 1, Types<bool>{});
    Shape shape = axis_ ? io.input(0).shape() : Shape{io.input(0).size()};
    const std::size_t axis = axis_ ? normalized_axis(*axis_, shape.size()) : 0;
    const Tensor& condition = io.value(1);
    if (condition.rank() != 1 || condition.size() > shape[axis]) {
      throw Error("a condition of shape " + to_string(condition.shape()) + " does not fit " + to_string(shape));
    }
    const auto flags = condition.span<bool>();
    shape[axis] = std::count(flags.begin(), flags.end(), true);
    io.output(0, io.input(0).type(), std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (e.outputs[0].size() == 0) return;
    const Shape shape = axis_ ? x.shape() : Shape{x.size()};
    const std::size_t axis = axis_ ? normalized_axis(*axis_, shape.size()) : 0;
    const auto piece = static_cast<std::size_t>(product(shape, axis + 1, shape.size())) * byte_size(x.type());
    const auto flags = e.inputs[1].span<bool>();
    std::byte* to = bytes_of(e.outputs[0]);
    for (std::int64_t outer = 0; outer < product(shape, 0, axis); ++outer) {
      for (std::size_t i = 0; i < flags.size(); ++i) {
        if (!flags[i]) continue;
        std::memcpy(to, bytes_of(x) + (static_cast<std::size_t>(outer * shape[axis]) + i) * piece, piece);
        to += piece;
      }
    }
  }

 private:
  std::optional<std::int64_t> axis_;
};

class CumSum : public Operator {
 public:
  explicit CumSum(const Node& node)
      : exclusive_(node.attributes.integer("exclusive", 0) != 0), reverse_(node.attributes.integer("reverse", 0) != 0) {
    check_inputs(node, 2, 2);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    check_type(io, 1, IndexTypes{});
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    const std::size_t axis = normalized_axis(scalar_integer(e.inputs[1], "the axis"), x.rank());
    if (x.size() == 0) return;
    visit_in(Numbers{}, x.type(), [&](auto t) { sum<decltype(t)>(x, axis, e.outputs[0]); });
  }

 private:
  template <class T>
  void sum(const Tensor& x, std::size_t axis, const Tensor& y) const {
    const std::int64_t dim = x.dim(axis);
    const std::int64_t inner = product(x.shape(), axis + 1, x.rank());
    const std::int64_t step = reverse_ ? -inner : inner;
    for (std::int64_t row = 0; row < x.size() / dim; ++row) {
      std::int64_t at = row / inner * dim * inner + row % inner + (reverse_ ? (dim - 1) * inner : 0);
      Compute<T> total{};
      for (std::int64_t i = 0; i < dim; ++i, at += step) {
        const Compute<T> next = wrapping_add(total, load(x.data<T>()[at]));
        y.data<T>()[at] = store<T>(exclusive_ ? total : next);
        total = next;
      }
    }
  }

  bool exclusive_;
  bool reverse_;
};

}  // namespace

void register_selection(Registry& r) {
  r.add("OneHot", 9, make<OneHot>());
  r.add("TopK", 1, make<TopK>());
  r.add("NonZero", 9, make<NonZero>());
  r.add("Compress", 9, make<Compress>());
  r.add("CumSum", 11, make<CumSum>());
}

}  // namespace sesame::engine
