// Operators that read or write by index. Every index is checked.
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

}  // namespace

void register_gather(Registry& r) {
  r.add("Gather", 1, make<Gather>());
  r.add("GatherElements", 11, make<GatherElements>());
  r.add("GatherND", 11, make<GatherND>());
  r.add("Scatter", 9, make<ScatterElements>());
  r.add("ScatterElements", 11, make<ScatterElements>());
  r.add("ScatterND", 11, make<ScatterND>());
}

}  // namespace sesame::engine
