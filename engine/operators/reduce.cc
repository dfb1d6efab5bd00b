// Reductions over axes, ArgMax and ArgMin.
//
// The elements of one result are gathered into a row first (where they are not one already) and reduced there by the
// level's kernels or in ascending order, so a result does not depend on where its axes lie.
#include <algorithm>
#include <cmath>

#include "engine/operators/axes.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

using ReduceTypes = Types<float, Half, double, std::int8_t, std::uint8_t, std::int32_t, std::int64_t>;

template <class T>
T sum_of(const kernels::Table& kernels, const T* x, std::size_t n) {
  T sum{};
  if constexpr (std::is_same_v<T, float>) return n == 0 ? sum : kernels.sum_row(x, n);
  for (std::size_t i = 0; i < n; ++i) sum = wrapping_add(sum, x[i]);
  return sum;
}

// The mapped elements are written over the row, which is the caller's.
template <class T, class Fn>
T sum_mapped(const kernels::Table& kernels, T* x, std::size_t n, Fn fn) {
  for (std::size_t i = 0; i < n; ++i) x[i] = fn(x[i]);
  return sum_of(kernels, x, n);
}

template <class T>
T real_function(T x, double (*fn)(double)) {
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(fn(static_cast<double>(x)));
  return to_integer<T>(fn(static_cast<double>(x)));
}

template <class T>
T magnitude(T x) {
  return x < 0 ? wrapping_sub(T{0}, x) : x;
}

// Each reduces a row of n elements that it may overwrite.
struct ReduceSum {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    return sum_of(kernels, x, n);
  }
};
struct ReduceMean {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    const T sum = sum_of(kernels, x, n);
    if constexpr (std::is_integral_v<T>) return n == 0 ? sum : static_cast<T>(sum / static_cast<std::int64_t>(n));
    return sum / static_cast<T>(n);
  }
};
struct ReduceMax {
  template <class T>
  T operator()(const kernels::Table&, T* x, std::size_t n) const {
    T best = x[0];
    for (std::size_t i = 1; i < n; ++i) best = best != best || best > x[i] ? best : x[i];  // NaN wins
    return best;
  }
};
struct ReduceMin {
  template <class T>
  T operator()(const kernels::Table&, T* x, std::size_t n) const {
    T best = x[0];
    for (std::size_t i = 1; i < n; ++i) best = best != best || best < x[i] ? best : x[i];
    return best;
  }
};
struct ReduceProd {
  template <class T>
  T operator()(const kernels::Table&, T* x, std::size_t n) const {
    T product{1};
    for (std::size_t i = 0; i < n; ++i) product = wrapping_mul(product, x[i]);
    return product;
  }
};
struct ReduceL1 {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    return sum_mapped(kernels, x, n, magnitude<T>);
  }
};
struct ReduceSumSquare {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    return sum_mapped(kernels, x, n, [](T v) { return wrapping_mul(v, v); });
  }
};
struct ReduceL2 {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    return real_function(ReduceSumSquare{}(kernels, x, n), std::sqrt);
  }
};
struct ReduceLogSum {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    return real_function(sum_of(kernels, x, n), std::log);
  }
};
struct ReduceLogSumExp {
  template <class T>
  T operator()(const kernels::Table& kernels, T* x, std::size_t n) const {
    if (n == 0) return real_function(T{0}, std::log);
    const T largest = ReduceMax{}(kernels, x, n);
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isinf(largest)) return largest;
    }
    double sum = 0;
    if constexpr (std::is_same_v<T, float>) {
      for (std::size_t i = 0; i < n; ++i) x[i] -= largest;
      kernels.exp_row(x, n, x);
      sum = kernels.sum_row(x, n);
    } else {
      for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]) - static_cast<double>(largest));
    }
    const double result = static_cast<double>(largest) + std::log(sum);
    if constexpr (std::is_floating_point_v<T>) return static_cast<T>(result);
    return to_integer<T>(result);
  }
};

// The same axes as a loop over results and a loop over the elements of each.
struct Split {
  Shape kept, kept_strides;
  Shape reduced, reduced_strides;

  Split(const Shape& shape, const std::vector<bool>& reduce) {
    const Shape strides = strides_of(shape);
    for (std::size_t i = 0; i < shape.size(); ++i) {
      (reduce[i] ? reduced : kept).push_back(shape[i]);
      (reduce[i] ? reduced_strides : kept_strides).push_back(strides[i]);
    }
  }
};

// Calls fn(T* row, std::size_t n) -> T for each result, in order, with its elements as numbers to compute with.
template <class T, class Fn>
void for_each_row(const Tensor& x, const Split& split, T* y, Fn fn) {
  const auto n = static_cast<std::size_t>(element_count(split.reduced));
  std::vector<Compute<T>> row(n);
  const LoopNest<1> results(split.kept, {split.kept_strides});
  const LoopNest<1> elements(split.reduced, {split.reduced_strides});
  results.for_each_row([&](const auto& begin) {
    for (std::size_t i = 0; i < results.row(); ++i) {
      const T* from = x.data<T>() + begin[0] + static_cast<std::int64_t>(i) * results.row_stride(0);
      Compute<T>* to = row.data();
      elements.for_each_row([&](const auto& at) {
        for (std::size_t j = 0; j < elements.row(); ++j) {
          *to++ = load(from[at[0] + static_cast<std::int64_t>(j) * elements.row_stride(0)]);
        }
      });
      *y++ = store<T>(fn(row.data(), n));
    }
  });
}

// The axes are an attribute in older opsets and an input since opset `kInputSince`.
template <class Fn, int kInputSince, bool kNeedsElements = false>
class Reduce : public Operator {
 public:
  explicit Reduce(const Node& node)
      : axes_(node, kInputSince),
        keep_dims_(node.attributes.integer("keepdims", 1) != 0),
        empty_is_none_(node.attributes.integer("noop_with_empty_axes", 0) != 0) {}
  void infer(Inference& io) const override {
    check_type(io, 0, ReduceTypes{});
    const Shape& shape = io.input(0).shape();
    const std::vector<bool> reduce = reduced_axes(io, shape.size());
    Shape out;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (!reduce[i]) out.push_back(shape[i]);
      if (reduce[i] && keep_dims_) out.push_back(1);
    }
    if (kNeedsElements && io.input(0).size() == 0 && element_count(out) != 0) {
      throw Error("an input of shape " + to_string(shape) + " has no elements to choose from");
    }
    io.output(0, io.input(0).type(), std::move(out));
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (e.outputs[0].size() == 0) return;
    const std::vector<bool> reduce = reduced_axes(e, x.rank());
    if (empty_is_none_ && std::find(reduce.begin(), reduce.end(), true) == reduce.end()) {
      return copy_all(x, e.outputs[0]);
    }
    const Split split(x.shape(), reduce);
    visit_in(ReduceTypes{}, x.type(), [&](auto t) {
      using T = decltype(t);
      for_each_row<T>(x, split, e.outputs[0].data<T>(),
                      [&](Compute<T>* row, std::size_t n) { return Fn{}(*e.kernels, row, n); });
    });
  }

 private:
  template <class Io>
  std::vector<bool> reduced_axes(const Io& io, std::size_t rank) const {
    const auto axes = axes_.get(io);
    if (!axes || axes->empty()) return std::vector<bool>(rank, !empty_is_none_);
    std::vector<bool> reduce(rank, false);
    for (std::int64_t axis : *axes) reduce[normalized_axis(axis, rank)] = true;
    return reduce;
  }

  AxesParameter axes_;
  bool keep_dims_;
  bool empty_is_none_;
};

template <bool kMax>
class ArgReduce : public Operator {
 public:
  explicit ArgReduce(const Node& node)
      : axis_(node.attributes.integer("axis", 0)),
        keep_dims_(node.attributes.integer("keepdims", 1) != 0),
        last_(node.attributes.integer("select_last_index", 0) != 0) {
    check_inputs(node, 1, 1);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    Shape shape = io.input(0).shape();
    const std::size_t axis = normalized_axis(axis_, shape.size());
    const std::int64_t dim = shape[axis];
    shape[axis] = 1;
    if (dim == 0 && element_count(shape) != 0) throw Error("axis " + std::to_string(axis) + " is empty");
    if (!keep_dims_) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    io.output(0, DType::i64, std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (e.outputs[0].size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t dim = x.dim(axis);
    const std::int64_t inner = strides_of(x.shape())[axis];
    visit_in(Numbers{}, x.type(), [&](auto t) {
      for (std::int64_t i = 0; i < e.outputs[0].size(); ++i) {
        const auto* row = x.data<decltype(t)>() + i / inner * dim * inner + i % inner;
        e.outputs[0].data<std::int64_t>()[i] = best(row, dim, inner);
      }
    });
  }

 private:
  template <class T>
  std::int64_t best(const T* row, std::int64_t n, std::int64_t stride) const {
    std::int64_t chosen = 0;
    for (std::int64_t i = 1; i < n; ++i) {
      const auto x = load(row[i * stride]);
      const auto y = load(row[chosen * stride]);
      if ((kMax ? x > y : x < y) || (last_ && x == y)) chosen = i;
    }
    return chosen;
  }

  std::int64_t axis_;
  bool keep_dims_;
  bool last_;
};

}  // namespace

void register_reduce(Registry& r) {
  r.add("ReduceSum", 1, make<Reduce<ReduceSum, 13>>());
  r.add("ReduceMean", 1, make<Reduce<ReduceMean, 18>>());
  r.add("ReduceMax", 1, make<Reduce<ReduceMax, 18, true>>());
  r.add("ReduceMin", 1, make<Reduce<ReduceMin, 18, true>>());
  r.add("ReduceProd", 1, make<Reduce<ReduceProd, 18>>());
  r.add("ReduceL1", 1, make<Reduce<ReduceL1, 18>>());
  r.add("ReduceL2", 1, make<Reduce<ReduceL2, 18>>());
  r.add("ReduceSumSquare", 1, make<Reduce<ReduceSumSquare, 18>>());
  r.add("ReduceLogSum", 1, make<Reduce<ReduceLogSum, 18>>());
  r.add("ReduceLogSumExp", 1, make<Reduce<ReduceLogSumExp, 18>>());
  r.add("ArgMax", 1, make<ArgReduce<true>>());
  r.add("ArgMin", 1, make<ArgReduce<false>>());
}

}  // namespace sesame::engine
