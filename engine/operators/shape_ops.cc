// Operators that make, read or change shapes: Shape, Reshape, Squeeze, Range, ConstantOfShape, ..
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/operators/axes.h"
#include "engine/operators/common.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

class ShapeOperator : public Operator {
 public:
  explicit ShapeOperator(const Node& node)
      : start_(node.attributes.integer("start", 0)),
        end_(node.attributes.integer("end", std::numeric_limits<std::int64_t>::max())) {
    check_inputs(node, 1, 1);
  }
  void infer(Inference& io) const override {
    io.output(0, DType::i64, {static_cast<std::int64_t>(dims(io.input(0)).size())});
  }
  void compute(const Execution& e) const override {
    const auto wanted = dims(e.inputs[0]);
    std::copy(wanted.begin(), wanted.end(), e.outputs[0].data<std::int64_t>());
  }

 private:
  std::span<const std::int64_t> dims(const Tensor& x) const {
    const auto rank = static_cast<std::int64_t>(x.rank());
    const auto place = [rank](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + rank : i, 0, rank); };
    const std::int64_t begin = place(start_);
    const std::int64_t end = std::max(begin, place(end_));
    return std::span(x.shape()).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }
  std::int64_t start_;
  std::int64_t end_;
};

class Size : public Operator {
 public:
  explicit Size(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override { io.output(0, DType::i64, {}); }
  void compute(const Execution& e) const override { *e.outputs[0].data<std::int64_t>() = e.inputs[0].size(); }
};

// The output holds the input's elements in the same order.
class Reinterpreting : public Operator {
 public:
  void compute(const Execution& e) const override { copy_all(e.inputs[0], e.outputs[0]); }
};

class Identity : public Reinterpreting {
 public:
  explicit Identity(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override { io.output(0, io.input(0).type(), io.input(0).shape()); }
};

class Reshape : public Reinterpreting {
 public:
  explicit Reshape(const Node& node) : allow_zero_(node.attributes.integer("allowzero", 0) != 0) {
    check_inputs(node, 2, 2);
  }
  void infer(Inference& io) const override {
    const Tensor& x = io.input(0);
    check_type(io, 1, Types<std::int64_t>{});
    if (io.input(1).rank() != 1)
      throw Error("the shape has rank " + std::to_string(io.input(1).rank()) + ", expected 1");
    Shape shape = to_int64s(io.value(1));
    const std::string wanted = to_string(shape);
    std::ptrdiff_t open = -1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0 && !allow_zero_) {
        if (i >= x.rank())
          throw Error("shape " + wanted + " copies a dimension that " + to_string(x.shape()) + " lacks");
        shape[i] = x.dim(i);
      } else if (shape[i] == -1) {
        if (open >= 0) throw Error("shape " + wanted + " leaves two dimensions open");
        open = static_cast<std::ptrdiff_t>(i);
        shape[i] = 1;
      } else if (shape[i] < 0) {
        throw Error("shape " + wanted + " has a negative dimension");
      }
    }
    const std::int64_t known = element_count(shape);
    if (open >= 0 && known != 0) shape[static_cast<std::size_t>(open)] = x.size() / known;
    if (element_count(shape) != x.size() || (open >= 0 && known == 0)) {
      throw Error("cannot reshape " + to_string(x.shape()) + " to " + wanted);
    }
    io.output(0, x.type(), std::move(shape));
  }

 private:
  bool allow_zero_;
};

class Flatten : public Reinterpreting {
 public:
  explicit Flatten(const Node& node) : axis_(node.attributes.integer("axis", 1)) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override {
    const Shape& shape = io.input(0).shape();
    const auto rank = static_cast<std::int64_t>(shape.size());
    if (axis_ < -rank || axis_ > rank) {
      throw Error("axis " + std::to_string(axis_) + " is out of range for rank " + std::to_string(rank));
    }
    const auto split = shape.begin() + (axis_ < 0 ? axis_ + rank : axis_);
    io.output(0, io.input(0).type(), {element_count({shape.begin(), split}), element_count({split, shape.end()})});
  }

 private:
  std::int64_t axis_;
};

class Squeeze : public Reinterpreting {
 public:
  explicit Squeeze(const Node& node) : axes_(node, 13) {}
  void infer(Inference& io) const override {
    const Shape& shape = io.input(0).shape();
    const auto axes = axes_.get(io);
    std::vector<bool> drop(shape.size(), false);
    if (!axes) {
      for (std::size_t i = 0; i < shape.size(); ++i) drop[i] = shape[i] == 1;
    } else {
      for (std::int64_t axis : *axes) drop[normalized_axis(axis, shape.size())] = true;
    }
    Shape out;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (drop[i] && shape[i] != 1) {
        throw Error("cannot squeeze axis " + std::to_string(i) + " of " + to_string(shape));
      }
      if (!drop[i]) out.push_back(shape[i]);
    }
    io.output(0, io.input(0).type(), std::move(out));
  }

 private:
  AxesParameter axes_;
};

class Unsqueeze : public Reinterpreting {
 public:
  explicit Unsqueeze(const Node& node) : axes_(node, 13) {
    if (node.version >= 13) check_inputs(node, 2, 2);
    if (node.version < 13) node.attributes.integers("axes");
  }
  void infer(Inference& io) const override {
    const Shape& shape = io.input(0).shape();
    const auto axes = axes_.get(io);
    const std::size_t rank = shape.size() + axes->size();
    std::vector<bool> is_new(rank, false);
    for (std::int64_t axis : *axes) {
      const std::size_t a = normalized_axis(axis, rank);
      if (is_new[a]) throw Error("axes " + to_string(*axes) + " name an axis twice");
      is_new[a] = true;
    }
    Shape out;
    auto old = shape.begin();
    for (std::size_t i = 0; i < rank; ++i) out.push_back(is_new[i] ? 1 : *old++);
    io.output(0, io.input(0).type(), std::move(out));
  }

 private:
  AxesParameter axes_;
};

// At inference the identity, with a mask of ones.
class Dropout : public Operator {
 public:
  explicit Dropout(const Node& node) : mask_is_bool_(node.version >= 10) {
    check_inputs(node, 1, node.version >= 12 ? 3 : 1);
  }
  void infer(Inference& io) const override {
    io.output(0, io.input(0).type(), io.input(0).shape());
    io.output(1, mask_is_bool_ ? DType::boolean : io.input(0).type(), io.input(0).shape());
    if (io.has(2)) check_type(io, 2, Types<bool>{});
  }
  void compute(const Execution& e) const override {
    const bool training = e.has(2) && scalar_value(e.inputs[2], "training_mode") != 0;
    if (training && (!e.has(1) || scalar_value(e.inputs[1], "ratio") != 0)) {
      throw Error("Dropout in training mode is not supported");
    }
    copy_all(e.inputs[0], e.outputs[0]);
    if (!wants(e, 1)) return;
    visit_in(AllTypes{}, e.outputs[1].type(), [&](auto t) {
      using T = decltype(t);
      std::fill_n(e.outputs[1].data<T>(), e.outputs[1].size(), store<T>(1));
    });
  }

 private:
  bool mask_is_bool_;
};

class ConstantOfShape : public Operator {
 public:
  explicit ConstantOfShape(const Node& node) {
    check_inputs(node, 1, 1);
    value_ = node.attributes.has("value") ? node.attributes.tensor("value") : Tensor::scalar(0.0f);
    if (value_.size() != 1) throw Error("attribute 'value' has shape " + to_string(value_.shape()) + ", expected [1]");
  }
  void infer(Inference& io) const override { io.output(0, value_.type(), to_int64s(io.value(0))); }
  void compute(const Execution& e) const override {
    visit(value_.type(), [&](auto t) {
      using T = decltype(t);
      std::fill_n(e.outputs[0].data<T>(), e.outputs[0].size(), *value_.data<T>());
    });
  }

 private:
  Tensor value_;
};

class Expand : public Operator {
 public:
  explicit Expand(const Node& node) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    io.output(0, io.input(0).type(), broadcast(io.input(0).shape(), to_int64s(io.value(1))));
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    copy_strided(e.inputs[0], 0, y.shape(), broadcast_strides(e.inputs[0].shape(), y.shape()), y);
  }
};

// start, start + delta, start + 2 delta, .. below (or, for a negative delta, above) the limit.
class Range : public Operator {
 public:
  explicit Range(const Node& node) { check_inputs(node, 3, 3); }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    check_same_type(io, 0, 1);
    check_same_type(io, 0, 2);
    const Tensor bounds[] = {io.value(0), io.value(1), io.value(2)};
    for (const Tensor& t : bounds) {
      if (t.size() != 1) throw Error("a bound has shape " + to_string(t.shape()) + ", expected a scalar");
    }
    visit_in(Numbers{}, bounds[0].type(), [&](auto t) {
      using T = decltype(t);
      const auto value = [&](int i) { return load(*bounds[i].data<T>()); };
      io.output(0, bounds[0].type(), {count(value(0), value(1), value(2))});
    });
  }
  void compute(const Execution& e) const override {
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto t) {
      using T = decltype(t);
      const auto start = load(*e.inputs[0].data<T>());
      const auto delta = load(*e.inputs[2].data<T>());
      using C = Compute<T>;
      T* y = e.outputs[0].data<T>();
      for (std::int64_t i = 0; i < e.outputs[0].size(); ++i) {
        y[i] = store<T>(wrapping_add(start, wrapping_mul(static_cast<C>(i), delta)));
      }
    });
  }

 private:
  template <class T>
  static std::int64_t count(T start, T limit, T delta) {
    if (delta == 0) throw Error("delta is 0");
    constexpr double kMost = 0x1p59;
    const double n = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
    if (!(n <= kMost)) throw Error("the range has too many elements");
    if constexpr (std::is_integral_v<T>) {
      // Exactly, where a double might round.
      const __int128 span = static_cast<__int128>(limit) - start;
      const __int128 step = delta;
      const __int128 exact = (span + step + (step > 0 ? -1 : 1)) / step;
      return exact > 0 ? static_cast<std::int64_t>(exact) : 0;
    }
    return n > 0 ? static_cast<std::int64_t>(n) : 0;
  }
};

class EyeLike : public Operator {
 public:
  explicit EyeLike(const Node& node) : diagonal_(node.attributes.integer("k", 0)) {
    check_inputs(node, 1, 1);
    if (node.attributes.has("dtype")) type_ = element_type(node.attributes.integer("dtype"));
  }
  void infer(Inference& io) const override {
    if (io.input(0).rank() != 2)
      throw Error("the input has rank " + std::to_string(io.input(0).rank()) + ", expected 2");
    io.output(0, type_.value_or(io.input(0).type()), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    if (y.size() == 0) return;
    visit(y.type(), [&](auto t) {
      using T = decltype(t);
      T* data = y.data<T>();
      std::fill_n(data, y.size(), store<T>(0));
      if (diagonal_ >= y.dim(1) || diagonal_ <= -y.dim(0)) return;
      for (std::int64_t row = std::max<std::int64_t>(0, -diagonal_); row < y.dim(0); ++row) {
        if (row + diagonal_ < y.dim(1)) data[row * y.dim(1) + row + diagonal_] = store<T>(1);
      }
    });
  }

 private:
  std::int64_t diagonal_;
  std::optional<DType> type_;
};

}  // namespace

void register_shape_ops(Registry& r) {
  r.add("Shape", 1, make<ShapeOperator>());
  r.add("Size", 1, make<Size>());
  r.add("Identity", 1, make<Identity>());
  r.add("Reshape", 5, make<Reshape>());
  r.add("Flatten", 1, make<Flatten>());
  r.add("Squeeze", 1, make<Squeeze>());
  r.add("Unsqueeze", 1, make<Unsqueeze>());
  r.add("Dropout", 7, make<Dropout>());
  r.add("ConstantOfShape", 9, make<ConstantOfShape>());
  r.add("Expand", 8, make<Expand>());
  r.add("Range", 11, make<Range>());
  r.add("EyeLike", 9, make<EyeLike>());
}

}  // namespace sesame::engine
