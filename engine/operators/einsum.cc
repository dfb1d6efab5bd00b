// Einsum: sums of products by named axes. Operands are contracted from left to right, each pair as a batched matrix
// product.
#include <algorithm>
#include <cctype>
#include <map>

#include "engine/operators/common.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

// An axis' name: a letter, or kEllipsis + its distance from the last axis that "..." stands for.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

// One operand's or the result's names as written; `ellipsis` is where "..." stands among them, -1 for nowhere.
struct Term {
  Labels labels;
  std::ptrdiff_t ellipsis = -1;
};

bool has(const Labels& labels, Label l) { return std::find(labels.begin(), labels.end(), l) != labels.end(); }

Term parse_term(std::string_view text) {
  Term term;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
      term.labels.push_back(text[i]);
    } else if (text.substr(i, 3) == "..." && term.ellipsis < 0) {
      term.ellipsis = static_cast<std::ptrdiff_t>(term.labels.size());
      i += 2;
    } else {
      throw Error("equation: unexpected '" + std::string(1, text[i]) + "'");
    }
  }
  return term;
}

struct Equation {
  std::vector<Term> operands;
  std::optional<Term> result;
};

Equation parse_equation(std::string text) {
  std::erase(text, ' ');
  Equation equation;
  const std::size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  for (std::size_t begin = 0; begin <= left.size();) {
    const std::size_t end = std::min(left.find(',', begin), left.size());
    equation.operands.push_back(parse_term(std::string_view(left).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (arrow != std::string::npos) equation.result = parse_term(std::string_view(text).substr(arrow + 2));
  return equation;
}

// The names of all axes once the ranks are known.
struct Resolved {
  std::vector<Labels> operands;
  Labels result;
  std::map<Label, std::int64_t> dims;
};

Labels expand(const Term& term, std::size_t ellipsis_rank) {
  Labels labels = term.labels;
  if (term.ellipsis < 0) return labels;
  for (std::size_t i = 0; i < ellipsis_rank; ++i) {  // from the last axis on, each in front of the one before
    labels.insert(labels.begin() + term.ellipsis, kEllipsis + static_cast<Label>(i));
  }
  return labels;
}

// Without an arrow: what "..." stands for, then the names that occur once, in alphabetical order.
Labels implicit_result(const std::vector<Labels>& operands, std::size_t ellipsis_rank) {
  std::map<Label, int> count;
  for (const Labels& labels : operands) {
    for (Label l : labels) ++count[l];
  }
  Labels result;
  for (std::size_t i = ellipsis_rank; i-- > 0;) result.push_back(kEllipsis + static_cast<Label>(i));
  for (const auto& [label, n] : count) {
    if (label < kEllipsis && n == 1) result.push_back(label);
  }
  return result;
}

Resolved resolve(const Equation& equation, std::span<const Shape> shapes) {
  Resolved r;
  std::size_t widest = 0;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Term& term = equation.operands[i];
    const std::size_t named = term.labels.size();
    if (shapes[i].size() < named || (term.ellipsis < 0 && shapes[i].size() != named)) {
      throw Error("equation names " + std::to_string(named) + " axes of operand " + std::to_string(i) +
                  ", whose shape is " + to_string(shapes[i]));
    }
    r.operands.push_back(expand(term, shapes[i].size() - named));
    if (term.ellipsis >= 0) widest = std::max(widest, shapes[i].size() - named);
    for (std::size_t axis = 0; axis < shapes[i].size(); ++axis) {
      std::int64_t& dim = r.dims.try_emplace(r.operands[i][axis], 1).first->second;
      const std::int64_t found = shapes[i][axis];
      if (dim != 1 && found != 1 && found != dim) {
        throw Error("equation gives one axis the sizes " + std::to_string(dim) + " and " + std::to_string(found));
      }
      if (found != 1) dim = found;
    }
  }
  r.result = equation.result ? expand(*equation.result, widest) : implicit_result(r.operands, widest);
  for (std::size_t i = 0; i < r.result.size(); ++i) {
    const bool twice = std::count(r.result.begin(), r.result.end(), r.result[i]) > 1;
    if (twice || !r.dims.contains(r.result[i])) throw Error("equation: the result names an axis wrongly");
  }
  return r;
}

// A dense tensor whose axes are named, each once. Its type is what the operand's is computed in.
struct Named {
  Tensor tensor;
  Labels labels;
};

// The tensor with its axes in another order; names that it lacks must not occur.
Named permuted(const Named& x, const Labels& order) {
  const Shape strides = strides_of(x.tensor.shape());
  Shape shape;
  Shape steps;
  for (Label l : order) {
    const auto axis = static_cast<std::size_t>(std::find(x.labels.begin(), x.labels.end(), l) - x.labels.begin());
    shape.push_back(x.tensor.dim(axis));
    steps.push_back(strides[axis]);
  }
  Tensor out = Tensor::allocate(x.tensor.type(), shape);
  copy_strided(x.tensor, 0, shape, steps, out);
  return {out, order};
}

// Takes diagonals (a name twice), drops axes that are broadcast, and sums over axes that nobody else names.
template <class T>
Named simplified(const Tensor& x, const Labels& labels, const Resolved& r, const Labels& wanted) {
  const Shape strides = strides_of(x.shape());
  Labels kept;
  std::map<Label, std::int64_t> step;  // along a name: the sum of its axes' strides
  for (std::size_t axis = 0; axis < labels.size(); ++axis) {
    if (x.dim(axis) == 1 && r.dims.at(labels[axis]) != 1) continue;
    step[labels[axis]] += strides[axis];
    if (!has(kept, labels[axis])) kept.push_back(labels[axis]);
  }
  Shape outer, outer_steps, inner, inner_steps;
  Labels names;
  for (Label l : kept) {
    const bool stays = has(wanted, l);
    (stays ? outer : inner).push_back(r.dims.at(l));
    (stays ? outer_steps : inner_steps).push_back(step[l]);
    if (stays) names.push_back(l);
  }
  Tensor y = Tensor::allocate(x.type(), outer);
  if (inner.empty()) {
    copy_strided(x, 0, outer, outer_steps, y);
    return {y, names};
  }
  T* to = y.data<T>();
  const LoopNest<1> results(outer, {outer_steps});
  const LoopNest<1> elements(inner, {inner_steps});
  results.for_each_row([&](const auto& begin) {
    for (std::size_t i = 0; i < results.row(); ++i) {
      const T* from = x.data<T>() + begin[0] + static_cast<std::int64_t>(i) * results.row_stride(0);
      T sum{};
      elements.for_each_row([&](const auto& at) {
        for (std::size_t j = 0; j < elements.row(); ++j) {
          sum = wrapping_add(sum, from[at[0] + static_cast<std::int64_t>(j) * elements.row_stride(0)]);
        }
      });
      *to++ = sum;
    }
  });
  return {y, names};
}

// c[m][n] = sum_k a[m][k] b[k][n], all dense.
void multiply(const kernels::Table& kernels, const float* a, const float* b, std::int64_t M, std::int64_t N,
              std::int64_t K, float* c) {
  const auto rows = static_cast<std::size_t>(M), columns = static_cast<std::size_t>(N),
             depth = static_cast<std::size_t>(K);
  const Tensor packed =
      Tensor::allocate(DType::f32, {static_cast<std::int64_t>(kernels::packed_f32_size(depth, columns))});
  kernels::pack_f32(b, N, 1, depth, columns, packed.data<float>());
  kernels.gemm_f32({a, K, packed.data<float>(), rows, columns, depth, {}, c, N});
}

template <class T>
void multiply(const kernels::Table&, const T* a, const T* b, std::int64_t M, std::int64_t N, std::int64_t K, T* c) {
  std::fill_n(c, M * N, T{});
  for (std::int64_t m = 0; m < M; ++m) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t n = 0; n < N; ++n) {
        c[m * N + n] = wrapping_add(c[m * N + n], wrapping_mul(a[m * K + k], b[k * N + n]));
      }
    }
  }
}

// Multiplies and sums over the names that both have and that are not wanted.
template <class T>
Named contracted(const kernels::Table& kernels, const Named& left_operand, const Named& right_operand,
                 const Resolved& r, const Labels& wanted) {
  const auto also = [&](const Labels& others) {
    Labels all = wanted;
    all.insert(all.end(), others.begin(), others.end());
    return all;
  };
  // A name of both may turn out to be of one, where the other is broadcast along it.
  const Named a = simplified<T>(left_operand.tensor, left_operand.labels, r, also(right_operand.labels));
  const Named b = simplified<T>(right_operand.tensor, right_operand.labels, r, also(left_operand.labels));
  Labels batch, left, right, summed;
  for (Label l : a.labels) (!has(b.labels, l) ? left : has(wanted, l) ? batch : summed).push_back(l);
  for (Label l : b.labels) {
    if (!has(a.labels, l)) right.push_back(l);
  }
  const auto join = [](const Labels& x, const Labels& y, const Labels& z) {
    Labels all = x;
    all.insert(all.end(), y.begin(), y.end());
    all.insert(all.end(), z.begin(), z.end());
    return all;
  };
  const auto shape = [&](const Labels& labels) {
    Shape s;
    for (Label l : labels) s.push_back(r.dims.at(l));
    return s;
  };
  const Named x = permuted(a, join(batch, left, summed));
  const Named y = permuted(b, join(batch, summed, right));
  const std::int64_t M = element_count(shape(left)), N = element_count(shape(right)), K = element_count(shape(summed));
  const Labels names = join(batch, left, right);
  const Tensor out = Tensor::allocate(a.tensor.type(), shape(names));
  if (out.size() != 0 && K == 0) std::fill_n(out.data<T>(), out.size(), T{});
  for (std::int64_t i = 0; K != 0 && out.size() != 0 && i < element_count(shape(batch)); ++i) {
    multiply(kernels, x.tensor.data<T>() + i * M * K, y.tensor.data<T>() + i * K * N, M, N, K,
             out.data<T>() + i * M * N);
  }
  return {out, names};
}

class Einsum : public Operator {
 public:
  explicit Einsum(const Node& node) : equation_(parse_equation(node.attributes.text("equation"))) {
    check_inputs(node, 1, kAnyNumber);
    if (equation_.operands.size() != node.inputs.size()) {
      throw Error("equation has " + std::to_string(equation_.operands.size()) + " operands, found " +
                  std::to_string(node.inputs.size()) + " inputs");
    }
  }
  void infer(Inference& io) const override {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < io.input_count(); ++i) {
      check_type(io, i, EinsumTypes{});
      check_same_type(io, 0, i);
      shapes.push_back(io.input(i).shape());
    }
    const Resolved r = resolve(equation_, shapes);
    Shape out;
    for (Label l : r.result) out.push_back(r.dims.at(l));
    io.output(0, io.input(0).type(), std::move(out));
  }
  void compute(const Execution& e) const override {
    const DType type = e.inputs[0].type();
    if (type == DType::f16) return evaluate<float>(e);
    visit_in(Types<float, double, std::int32_t, std::int64_t>{}, type, [&](auto t) { evaluate<decltype(t)>(e); });
  }

 private:
  using EinsumTypes = Types<float, Half, double, std::int32_t, std::int64_t>;

  template <class T>
  void evaluate(const Execution& e) const {
    std::vector<Shape> shapes;
    for (const Tensor& t : e.inputs) shapes.push_back(t.shape());
    const Resolved r = resolve(equation_, shapes);
    Named product;
    for (std::size_t i = 0; i < e.inputs.size(); ++i) {
      const Tensor x = e.inputs[i].type() == DType::f16 ? as_floats(e.inputs[i]) : e.inputs[i];
      Named next = simplified<T>(x, r.operands[i], r, wanted(r, i, i));
      product = i == 0 ? std::move(next) : contracted<T>(*e.kernels, product, next, r, wanted(r, i + 1, kAnyNumber));
    }
    product = permuted(product, r.result);
    if (e.outputs[0].type() == DType::f16) {
      to_halves(product.tensor.template data<float>(), static_cast<std::size_t>(product.tensor.size()),
                e.outputs[0].data<Half>());
    } else {
      copy_all(product.tensor, e.outputs[0]);
    }
  }

  // The names of the result and of the operands: all but operand `skipped`, or those from `first` on when none is.
  static Labels wanted(const Resolved& r, std::size_t first, std::size_t skipped) {
    Labels labels = r.result;
    const std::size_t begin = skipped == kAnyNumber ? first : 0;
    for (std::size_t i = begin; i < r.operands.size(); ++i) {
      if (i != skipped) labels.insert(labels.end(), r.operands[i].begin(), r.operands[i].end());
    }
    return labels;
  }

  Equation equation_;
};

}  // namespace

void register_einsum(Registry& r) { r.add("Einsum", 12, make<Einsum>()); }

}  // namespace sesame::engine
