// Functions of one element: arithmetic signs and roundings, exponentials, activations.
#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/operators/elementwise.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/registry.h"
#include "engine/sigmoid.h"

namespace sesame::engine {

namespace {

// ---- Functions of floats ----

// One way to compute it: a row of float32 with the level's kernels, or an element in double, rounded.
using RowFunction = void (*)(const kernels::Table& kernels, const float* x, std::size_t n, float* y);
using Function = std::function<double(double)>;

void exp_row(const kernels::Table& kernels, const float* x, std::size_t n, float* y) { kernels.exp_row(x, n, y); }
void erf_row(const kernels::Table& kernels, const float* x, std::size_t n, float* y) { kernels.erf_row(x, n, y); }
void tanh_row(const kernels::Table& kernels, const float* x, std::size_t n, float* y) { kernels.tanh_row(x, n, y); }

void sqrt_row(const kernels::Table&, const float* x, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = std::sqrt(x[i]);
}

void reciprocal_row(const kernels::Table&, const float* x, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = 1.0f / x[i];
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

class FloatUnary : public UnaryOperator<Floats> {
 public:
  FloatUnary(const Node& node, Function function, RowFunction row) : function_(std::move(function)), row_(row) {
    check_inputs(node, 1, 1);
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.type() == DType::f64) return map<double, double>(x, e.outputs[0], function_);
    float_rows(x, e.outputs[0], [&](const float* from, std::size_t n, float* to) {
      if (row_ != nullptr) return row_(*e.kernels, from, n, to);
      for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<float>(function_(from[i]));
    });
  }

 private:
  Function function_;
  RowFunction row_;
};

StepFactory floats(double (*function)(double), RowFunction row = nullptr) {
  return [=](const Graph&, const Node& node) { return std::make_unique<FloatUnary>(node, function, row); };
}

// A function with attributes, which `bind` reads.
StepFactory floats_with(Function (*bind)(const Attributes&)) {
  return [=](const Graph&, const Node& node) {
    return std::make_unique<FloatUnary>(node, bind(node.attributes), nullptr);
  };
}

Function elu(const Attributes& a) {
  return [alpha = double{a.real("alpha", 1.0f)}](double x) { return x < 0 ? alpha * std::expm1(x) : x; };
}

Function celu(const Attributes& a) {
  return [alpha = double{a.real("alpha", 1.0f)}](double x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; };
}

Function selu(const Attributes& a) {
  return [alpha = double{a.real("alpha", 1.67326319217681884765625f)},
          gamma = double{a.real("gamma", 1.05070102214813232421875f)}](double x) {
    return gamma * (x > 0 ? x : alpha * std::expm1(x));
  };
}

Function thresholded_relu(const Attributes& a) {
  return [alpha = double{a.real("alpha", 1.0f)}](double x) { return x > alpha ? x : 0.0; };
}

Function hard_sigmoid(const Attributes& a) {
  return [alpha = double{a.real("alpha", 0.2f)}, beta = double{a.real("beta", 0.5f)}](double x) {
    const double y = alpha * x + beta;
    return y != y ? y : std::clamp(y, 0.0, 1.0);
  };
}

double hard_swish(double x) {
  const double y = x / 6 + 0.5;
  return y != y ? y : x * std::clamp(y, 0.0, 1.0);
}

// x * sigmoid(alpha x).
class QuickGelu : public UnaryOperator<Types<float, Half>> {
 public:
  explicit QuickGelu(const Node& node) : alpha_(node.attributes.real("alpha", 1.702f)) { check_inputs(node, 1, 1); }
  void compute(const Execution& e) const override {
    float_rows(e.inputs[0], e.outputs[0], [&](const float* x, std::size_t n, float* y) {
      constexpr std::size_t kPiece = 512;
      float s[kPiece];
      for (std::size_t begin = 0; begin < n; begin += kPiece) {
        const std::size_t count = std::min(kPiece, n - begin);
        for (std::size_t i = 0; i < count; ++i) s[i] = alpha_ * x[begin + i];
        sigmoid_row(*e.kernels, s, count, s);
        for (std::size_t i = 0; i < count; ++i) y[begin + i] = x[begin + i] * s[i];
      }
    });
  }

 private:
  float alpha_;
};

class Gelu : public UnaryOperator<Floats> {
 public:
  explicit Gelu(const Node& node) {
    check_inputs(node, 1, 1);
    const std::string approximate = node.attributes.text("approximate", "none");
    if (approximate != "none" && approximate != "tanh") {
      throw Error("attribute 'approximate' is '" + approximate + "', expected 'none' or 'tanh'");
    }
    activation_ = approximate == "tanh" ? kernels::Activation::gelu_tanh : kernels::Activation::gelu_erf;
  }
  void compute(const Execution& e) const override {
    if (e.inputs[0].type() == DType::f64) return map<double, double>(e.inputs[0], e.outputs[0], wide());
    float_rows(e.inputs[0], e.outputs[0],
               [&](const float* x, std::size_t n, float* y) { e.kernels->activation_row(activation_, x, n, y); });
  }

 private:
  double (*wide() const)(double) {
    if (activation_ == kernels::Activation::gelu_tanh) {
      return [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); };
    }
    return [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); };
  }
  kernels::Activation activation_;
};

// ---- Functions of any number ----

template <class Fn, class Set>
class NumberUnary : public UnaryOperator<Set> {
 public:
  explicit NumberUnary(const Node& node) { check_inputs(node, 1, 1); }
  void compute(const Execution& e) const override {
    visit_in(Set{}, e.inputs[0].type(),
             [&](auto t) { map<decltype(t), decltype(t)>(e.inputs[0], e.outputs[0], Fn{}); });
  }
};

struct Abs {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
    return x < 0 ? wrapping_sub(T{0}, x) : x;
  }
};

struct Neg {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) return -x;
    return wrapping_sub(T{0}, x);
  }
};

struct Sign {
  template <class T>
  T operator()(T x) const {
    if (x != x) return x;
    return static_cast<T>((x > 0) - (x < 0));
  }
};

struct Relu {
  template <class T>
  T operator()(T x) const {
    return x < 0 ? T{0} : x;  // NaN stays
  }
};

struct BitwiseNot {
  template <class T>
  T operator()(T x) const {
    return static_cast<T>(~x);
  }
};

struct Not {
  bool operator()(bool x) const { return !x; }
};

// Each as the machine's exact instruction or libm's exact function.
struct Ceil {
  template <class T>
  T operator()(T x) const {
    return std::ceil(x);
  }
};
struct Floor {
  template <class T>
  T operator()(T x) const {
    return std::floor(x);
  }
};
struct Round {  // half to even
  template <class T>
  T operator()(T x) const {
    return std::nearbyint(x);
  }
};

class LeakyRelu : public UnaryOperator<Floats> {
 public:
  explicit LeakyRelu(const Node& node) : alpha_(node.attributes.real("alpha", 0.01f)) { check_inputs(node, 1, 1); }
  void compute(const Execution& e) const override {
    visit_in(Floats{}, e.inputs[0].type(), [&](auto t) {
      using C = Compute<decltype(t)>;
      const auto alpha = static_cast<C>(alpha_);
      map<decltype(t), decltype(t)>(e.inputs[0], e.outputs[0], [alpha](C x) { return x < 0 ? alpha * x : x; });
    });
  }

 private:
  float alpha_;
};

// IsNaN, IsInf: floats in, bool out.
class IsNaN : public Operator {
 public:
  explicit IsNaN(const Node& node) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    io.output(0, DType::boolean, io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    visit_in(Floats{}, e.inputs[0].type(),
             [&](auto t) { map<decltype(t), bool>(e.inputs[0], e.outputs[0], [](auto x) { return x != x; }); });
  }
};

class IsInf : public Operator {
 public:
  explicit IsInf(const Node& node)
      : negative_(node.attributes.integer("detect_negative", 1) != 0),
        positive_(node.attributes.integer("detect_positive", 1) != 0) {
    check_inputs(node, 1, 1);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    io.output(0, DType::boolean, io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    visit_in(Floats{}, e.inputs[0].type(), [&](auto t) {
      map<decltype(t), bool>(e.inputs[0], e.outputs[0],
                             [this](auto x) { return std::isinf(x) && (x > 0 ? positive_ : negative_); });
    });
  }

 private:
  bool negative_;
  bool positive_;
};

// The bounds are attributes before opset 11 and optional inputs since.
class Clip : public UnaryOperator<Numbers> {
 public:
  explicit Clip(const Node& node) : bounds_are_inputs_(node.version >= 11) {
    check_inputs(node, 1, bounds_are_inputs_ ? 3 : 1);
    low_ = node.attributes.real("min", std::numeric_limits<float>::lowest());
    high_ = node.attributes.real("max", std::numeric_limits<float>::max());
  }
  void infer(Inference& io) const override {
    UnaryOperator::infer(io);
    for (std::size_t i : {1u, 2u}) {
      if (io.has(i)) check_same_type(io, 0, i);
      if (io.has(i) && io.input(i).size() != 1) {
        throw Error("a bound has shape " + to_string(io.input(i).shape()) + ", expected a scalar");
      }
    }
  }
  void compute(const Execution& e) const override {
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto t) { clip<decltype(t)>(e); });
  }

 private:
  template <class T>
  void clip(const Execution& e) const {
    using C = Compute<T>;
    constexpr bool kIsFloat = std::is_floating_point_v<C>;
    C low = kIsFloat ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::lowest();
    C high = kIsFloat ? std::numeric_limits<C>::infinity() : std::numeric_limits<C>::max();
    if (!bounds_are_inputs_) {
      if (kIsFloat) low = static_cast<C>(low_);
      if (kIsFloat) high = static_cast<C>(high_);
    }
    if (e.has(1)) low = load(*e.inputs[1].data<T>());
    if (e.has(2)) high = load(*e.inputs[2].data<T>());
    // The upper bound wins where they cross, as in NumPy; NaN stays.
    map<T, T>(e.inputs[0], e.outputs[0], [=](C x) {
      const C raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  }

  bool bounds_are_inputs_;
  float low_;
  float high_;
};

}  // namespace

void register_elementwise_unary(Registry& r) {
  r.add("Exp", 1, floats(std::exp, exp_row));
  r.add("Erf", 9, floats(std::erf, erf_row));
  r.add("Tanh", 1, floats(std::tanh, tanh_row));
  r.add("Sigmoid", 1, floats(sigmoid, sigmoid_row));
  r.add("Sqrt", 1, floats(std::sqrt, sqrt_row));
  r.add("Reciprocal", 1, floats([](double x) { return 1 / x; }, reciprocal_row));
  r.add("Log", 1, floats(std::log));
  r.add("Sin", 7, floats(std::sin));
  r.add("Cos", 7, floats(std::cos));
  r.add("Tan", 7, floats(std::tan));
  r.add("Asin", 7, floats(std::asin));
  r.add("Acos", 7, floats(std::acos));
  r.add("Atan", 7, floats(std::atan));
  r.add("Sinh", 9, floats(std::sinh));
  r.add("Cosh", 9, floats(std::cosh));
  r.add("Asinh", 9, floats(std::asinh));
  r.add("Acosh", 9, floats(std::acosh));
  r.add("Atanh", 9, floats(std::atanh));
  r.add("Softplus", 1, floats(softplus));
  r.add("Softsign", 1, floats([](double x) { return x / (1 + std::fabs(x)); }));
  r.add("HardSwish", 14, floats(hard_swish));
  r.add("Mish", 18, floats([](double x) { return x * std::tanh(softplus(x)); }));
  r.add("Elu", 6, floats_with(elu));
  r.add("Celu", 12, floats_with(celu));
  r.add("Selu", 6, floats_with(selu));
  r.add("ThresholdedRelu", 10, floats_with(thresholded_relu));
  r.add("HardSigmoid", 6, floats_with(hard_sigmoid));
  r.add("LeakyRelu", 6, make<LeakyRelu>());
  r.add("Gelu", 20, make<Gelu>());
  r.add(kMicrosoft, "Gelu", 1, make<Gelu>());
  r.add(kMicrosoft, "QuickGelu", 1, make<QuickGelu>());

  r.add("Ceil", 1, make<NumberUnary<Ceil, Floats>>());
  r.add("Floor", 1, make<NumberUnary<Floor, Floats>>());
  r.add("Round", 11, make<NumberUnary<Round, Floats>>());
  r.add("Abs", 6, make<NumberUnary<Abs, Numbers>>());
  r.add("Neg", 6, make<NumberUnary<Neg, Numbers>>());
  r.add("Sign", 9, make<NumberUnary<Sign, Numbers>>());
  r.add("Relu", 6, make<NumberUnary<Relu, Numbers>>());
  r.add("Not", 1, make<NumberUnary<Not, Types<bool>>>());
  r.add("BitwiseNot", 18, make<NumberUnary<BitwiseNot, Integers>>());
  r.add("IsNaN", 9, make<IsNaN>());
  r.add("IsInf", 10, make<IsInf>());
  r.add("Clip", 6, make<Clip>());
}

}  // namespace sesame::engine
