// Operators that read or write by index. Every index is checked.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/operators/common.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

std::byte* bytes_of(const Tensor& t) { return static_cast<std::byte*>(t.raw()); }

// Reads int32 or int64 indices.
class Indices {
 public:
  explicit Indices(const Tensor& t) : wide_(t.type() == DType::i64 ? t.data<std::int64_t>() : nullptr) {
    if (wide_ == nullptr) narrow_ = t.data<std::int32_t>();
  }
  std::int64_t operator[](std::int64_t i) const { return wide_ != nullptr ? wide_[i] : narrow_[i]; }

 private:
  const std::int64_t* wide_;
  const std::int32_t* narrow_ = nullptr;
};

// Of the dimensions [begin, end); 0 where one is. Throws Error when it overflows.
std::int64_t product(const Shape& shape, std::size_t begin, std::size_t end) {
  std::int64_t count = 1;
  for (std::size_t i = begin; i < end; ++i) {
    if (shape[i] == 0) return 0;
    if (__builtin_mul_overflow(count, shape[i], &count)) throw Error("shape " + to_string(shape) + " overflows");
  }
  return count;
}

class Gather : public Operator {
 public:
  explicit Gather(const Node& node) : axis_(node.attributes.integer("axis", 0)) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    check_type(io, 1, IndexTypes{});
    Shape shape = io.input(0).shape();
    const auto axis = static_cast<std::ptrdiff_t>(normalized_axis(axis_, shape.size()));
    const Shape& indices = io.input(1).shape();
    shape.erase(shape.begin() + axis);
    shape.insert(shape.begin() + axis, indices.begin(), indices.end());
    io.output(0, io.input(0).type(), std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    const Tensor& at = e.inputs[1];
    if (e.outputs[0].size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t dim = x.dim(axis);
    const Indices index(at);
    for (std::int64_t i = 0; i < at.size(); ++i) checked_index(index[i], dim);
    const auto piece = static_cast<std::size_t>(product(x.shape(), axis + 1, x.rank())) * byte_size(x.type());
    const std::int64_t outer = product(x.shape(), 0, axis);
    std::byte* to = bytes_of(e.outputs[0]);
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t i = 0; i < at.size(); ++i, to += piece) {
        const std::int64_t row = o * dim + checked_index(index[i], dim);
        std::memcpy(to, bytes_of(x) + static_cast<std::size_t>(row) * piece, piece);
      }
    }
  }

 private:
  std::int64_t axis_;
};

// Visits the positions of an index tensor with the offset in `data` that each names along `axis`, the other
// coordinates being the position's own.
template <class Fn>
void for_each_element(const Tensor& indices, const Shape& data, std::size_t axis, Fn fn) {
  const Shape strides = strides_of(data);
  const Indices index(indices);
  Shape position(indices.rank(), 0);
  for (std::int64_t n = 0; n < indices.size(); ++n) {
    std::int64_t offset = checked_index(index[n], data[axis]) * strides[axis];
    for (std::size_t i = 0; i < position.size(); ++i) offset += i == axis ? 0 : position[i] * strides[i];
    fn(n, offset);
    for (std::size_t i = position.size(); i-- > 0 && ++position[i] == indices.dim(i);) position[i] = 0;
  }
}

// The index tensor of GatherElements and ScatterElements may be smaller than the data, never larger.
std::size_t check_elements(const Shape& data, const Shape& indices, std::int64_t axis) {
  const std::size_t a = normalized_axis(axis, data.size());
  bool fits = indices.size() == data.size();
  for (std::size_t i = 0; fits && i < data.size(); ++i) fits = i == a || indices[i] <= data[i];
  if (!fits) throw Error("indices of shape " + to_string(indices) + " do not fit data of shape " + to_string(data));
  return a;
}

class GatherElements : public Operator {
 public:
  explicit GatherElements(const Node& node) : axis_(node.attributes.integer("axis", 0)) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    check_type(io, 1, IndexTypes{});
    check_elements(io.input(0).shape(), io.input(1).shape(), axis_);
    io.output(0, io.input(0).type(), io.input(1).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    visit(x.type(), [&](auto t) {
      using T = decltype(t);
      for_each_element(e.inputs[1], x.shape(), normalized_axis(axis_, x.rank()),
                       [&](std::int64_t n, std::int64_t at) { e.outputs[0].data<T>()[n] = x.data<T>()[at]; });
    });
  }

 private:
  std::int64_t axis_;
};

// How a scattered value joins the one that is there.
enum class Reduction { none, add, mul, max, min };

Reduction parse_reduction(const Node& node) {
  const std::string text = node.attributes.text("reduction", "none");
  if (text == "none") return Reduction::none;
  if (text == "add") return Reduction::add;
  if (text == "mul") return Reduction::mul;
  if (text == "max") return Reduction::max;
  if (text == "min") return Reduction::min;
  throw Error("attribute 'reduction' is '" + text + "', expected 'none', 'add', 'mul', 'max' or 'min'");
}

template <class T>
void join(Reduction reduction, T value, T& into) {
  if constexpr (std::is_same_v<T, bool>) {
    into = value;  // infer refuses the others
  } else {
    const auto a = load(into);
    const auto b = load(value);
    switch (reduction) {
      case Reduction::none:
        into = value;
        break;
      case Reduction::add:
        into = store<T>(wrapping_add(a, b));
        break;
      case Reduction::mul:
        into = store<T>(wrapping_mul(a, b));
        break;
      case Reduction::max:
        into = store<T>(a != a || a > b ? a : b);
        break;
      case Reduction::min:
        into = store<T>(a != a || a < b ? a : b);
        break;
    }
  }
}

// Data, indices, updates.
class ScatterOperator : public Operator {
 public:
  explicit ScatterOperator(const Node& node) : reduction_(parse_reduction(node)) { check_inputs(node, 3, 3); }
  void infer(Inference& io) const override {
    check_type(io, 1, IndexTypes{});
    check_same_type(io, 0, 2);
    if (reduction_ != Reduction::none) check_type(io, 0, Numbers{});
    io.output(0, io.input(0).type(), io.input(0).shape());
  }

 protected:
  Reduction reduction_;
};

class ScatterElements : public ScatterOperator {
 public:
  explicit ScatterElements(const Node& node) : ScatterOperator(node), axis_(node.attributes.integer("axis", 0)) {}
  void infer(Inference& io) const override {
    ScatterOperator::infer(io);
    check_elements(io.input(0).shape(), io.input(1).shape(), axis_);
    check_shape("updates", io.input(2).shape(), io.input(1).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    copy_all(e.inputs[0], y);
    visit(y.type(), [&](auto t) {
      using T = decltype(t);
      const T* updates = e.inputs[2].data<T>();
      for_each_element(e.inputs[1], y.shape(), normalized_axis(axis_, y.rank()),
                       [&](std::int64_t n, std::int64_t at) { join(reduction_, updates[n], y.data<T>()[at]); });
    });
  }

 private:
  std::int64_t axis_;
};

// Visits the slices that tuples of indices name: the last axis of `indices` holds the coordinates of the first axes of
// `data` after the batch axes. fn(n, offset) gets the number of the tuple and the offset of its slice.
template <class Fn>
void for_each_slice(const Tensor& indices, const Shape& data, std::size_t batch_dims, Fn fn) {
  const Indices index(indices);
  const std::int64_t depth = indices.dim(indices.rank() - 1);
  const std::int64_t tuples = product(indices.shape(), 0, indices.rank() - 1);
  const std::int64_t batches = product(data, 0, batch_dims);
  const std::int64_t batch_size = product(data, batch_dims, data.size());
  const Shape strides = strides_of(data);
  for (std::int64_t n = 0; n < tuples; ++n) {
    std::int64_t offset = n / (tuples / batches) * batch_size;
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::size_t axis = batch_dims + static_cast<std::size_t>(i);
      offset += checked_index(index[n * depth + i], data[axis]) * strides[axis];
    }
    fn(n, offset);
  }
}

// Checks the ranks and gives the shape of the slices with their tuples in front.
Shape slices_shape(const Shape& data, const Shape& indices, std::int64_t batch_dims) {
  const bool fits = !indices.empty() && batch_dims >= 0 && batch_dims < static_cast<std::int64_t>(indices.size()) &&
                    batch_dims <= static_cast<std::int64_t>(data.size()) &&
                    indices.back() <= static_cast<std::int64_t>(data.size()) - batch_dims &&
                    std::equal(indices.begin(), indices.begin() + batch_dims, data.begin());
  if (!fits) throw Error("indices of shape " + to_string(indices) + " do not fit data of shape " + to_string(data));
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch_dims + indices.back(), data.end());
  return shape;
}

std::size_t slice_size(const Shape& data, const Tensor& indices, std::int64_t batch_dims) {
  const auto first = static_cast<std::size_t>(batch_dims + indices.dim(indices.rank() - 1));
  return static_cast<std::size_t>(product(data, first, data.size()));
}

class GatherND : public Operator {
 public:
  explicit GatherND(const Node& node) : batch_dims_(node.attributes.integer("batch_dims", 0)) {
    check_inputs(node, 2, 2);
  }
  void infer(Inference& io) const override {
    check_type(io, 1, IndexTypes{});
    io.output(0, io.input(0).type(), slices_shape(io.input(0).shape(), io.input(1).shape(), batch_dims_));
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (e.outputs[0].size() == 0) return;
    const std::size_t bytes = byte_size(x.type());
    const std::size_t piece = slice_size(x.shape(), e.inputs[1], batch_dims_) * bytes;
    const auto batch_dims = static_cast<std::size_t>(batch_dims_);
    for_each_slice(e.inputs[1], x.shape(), batch_dims, [&](std::int64_t n, std::int64_t at) {
      std::memcpy(bytes_of(e.outputs[0]) + static_cast<std::size_t>(n) * piece,
                  bytes_of(x) + static_cast<std::size_t>(at) * bytes, piece);
    });
  }

 private:
  std::int64_t batch_dims_;
};

class ScatterND : public ScatterOperator {
 public:
  using ScatterOperator::ScatterOperator;
  void infer(Inference& io) const override {
    ScatterOperator::infer(io);
    check_shape("updates", io.input(2).shape(), slices_shape(io.input(0).shape(), io.input(1).shape(), 0));
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    copy_all(e.inputs[0], y);
    if (e.inputs[2].size() == 0) return;
    const std::size_t size = slice_size(y.shape(), e.inputs[1], 0);
    visit(y.type(), [&](auto t) {
      using T = decltype(t);
      for_each_slice(e.inputs[1], y.shape(), 0, [&](std::int64_t n, std::int64_t at) {
        const T* update = e.inputs[2].data<T>() + static_cast<std::size_t>(n) * size;
        for (std::size_t i = 0; i < size; ++i)
          join(reduction_, update[i], y.data<T>()[at + static_cast<std::int64_t>(i)]);
      });
    });
  }
};

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

void register_gather(Registry& r) {
  r.add("Gather", 1, make<Gather>());
  r.add("GatherElements", 11, make<GatherElements>());
  r.add("GatherND", 11, make<GatherND>());
  r.add("Scatter", 9, make<ScatterElements>());
  r.add("ScatterElements", 11, make<ScatterElements>());
  r.add("ScatterND", 11, make<ScatterND>());
  r.add("OneHot", 9, make<OneHot>());
  r.add("TopK", 1, make<TopK>());
  r.add("NonZero", 9, make<NonZero>());
  r.add("Compress", 9, make<Compress>());
  r.add("CumSum", 11, make<CumSum>());
}

}  // namespace sesame::engine
