// Functions of two elements (arithmetic, comparison, logic), of any number of them (Max, Sum, ..), and Where.
#include <cmath>
#include <utility>

#include "engine/operators/elementwise.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping_add(a, b);
  }
};
struct Sub {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping_sub(a, b);
  }
};
struct Mul {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping_mul(a, b);
  }
};
struct Div {
  template <class T>
  T operator()(T a, T b) const {
    return checked_div(a, b);
  }
};
struct And {
  bool operator()(bool a, bool b) const { return a && b; }
};
struct Or {
  bool operator()(bool a, bool b) const { return a || b; }
};
struct Xor {
  bool operator()(bool a, bool b) const { return a != b; }
};
struct Equal {
  template <class T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct Less {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessOrEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct GreaterOrEqual {
  template <class T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct Max {  // NaN wins
  template <class T>
  T operator()(T a, T b) const {
    return a != a || a > b ? a : b;
  }
};
struct Min {
  template <class T>
  T operator()(T a, T b) const {
    return a != a || a < b ? a : b;
  }
};
struct BitwiseAnd {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct BitwiseOr {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct BitwiseXor {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
struct PRelu {
  template <class T>
  T operator()(T x, T slope) const {
    return x < 0 ? wrapping_mul(slope, x) : x;
  }
};

// Two inputs of one type in Set; the output has their type, or is bool where Fn says so.
template <class Fn, class Set>
class Binary : public Operator {
 public:
  explicit Binary(const Node& node) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    check_type(io, 0, Set{});
    check_same_type(io, 0, 1);
    io.output(0, result_type(io.input(0).type()), broadcast(io.input(0).shape(), io.input(1).shape()));
  }
  void compute(const Execution& e) const override {
    visit_in(Set{}, e.inputs[0].type(), [&](auto t) {
      using In = decltype(t);
      using Out = std::conditional_t<returns_bool<In>(), bool, In>;
      zip<In, Out>(e.inputs[0], e.inputs[1], e.outputs[0], Fn{});
    });
  }

 private:
  template <class In>
  static constexpr bool returns_bool() {
    return std::is_same_v<std::invoke_result_t<Fn, Compute<In>, Compute<In>>, bool>;
  }
  static DType result_type(DType type) {
    return std::is_same_v<std::invoke_result_t<Fn, int, int>, bool> ? DType::boolean : type;
  }
};

// PRelu: the slope broadcasts to the input, not the other way.
class PReluOperator : public Binary<PRelu, Numbers> {
 public:
  using Binary::Binary;
  void infer(Inference& io) const override {
    if (!broadcasts_to(io.input(1).shape(), io.input(0).shape())) {
      throw Error("slope of shape " + to_string(io.input(1).shape()) + " does not broadcast to " +
                  to_string(io.input(0).shape()));
    }
    Binary::infer(io);
  }
};

// fmod 0: the result has the divisor's sign (integers); fmod 1: the dividend's, as C's fmod.
class Mod : public Operator {
 public:
  explicit Mod(const Node& node) : fmod_(node.attributes.integer("fmod", 0) != 0) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    check_same_type(io, 0, 1);
    if (!fmod_ && contains(Floats{}, io.input(0).type())) throw Error("attribute 'fmod' must be 1 for floats");
    io.output(0, io.input(0).type(), broadcast(io.input(0).shape(), io.input(1).shape()));
  }
  void compute(const Execution& e) const override {
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto t) {
      using T = decltype(t);
      zip<T, T>(e.inputs[0], e.inputs[1], e.outputs[0], [this](auto a, auto b) { return remainder(a, b); });
    });
  }

 private:
  template <class T>
  T remainder(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if (b == 0) throw Error("integer division by zero");
      if (std::is_signed_v<T> && b == static_cast<T>(-1)) return T{0};
      const T r = static_cast<T>(a % b);
      return !fmod_ && r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
    }
  }
  bool fmod_;
};

// The base's type is the result's; the exponent may be of another.
class Pow : public Operator {
 public:
  explicit Pow(const Node& node) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    check_type(io, 1, Numbers{});
    io.output(0, io.input(0).type(), broadcast(io.input(0).shape(), io.input(1).shape()));
  }
  void compute(const Execution& e) const override {
    if (is_small_power(e)) return;
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto base) {
      visit_in(Numbers{}, e.inputs[1].type(), [&](auto exponent) {
        power<decltype(base), decltype(exponent)>(e.inputs[0], e.inputs[1], e.outputs[0]);
      });
    });
  }

 private:
  // Squares and cubes of floats, by multiplication: what variances and GELUs are made of.
  static bool is_small_power(const Execution& e) {
    if (e.inputs[1].size() != 1 || e.inputs[0].type() != DType::f32) return false;
    if (e.inputs[1].rank() > e.inputs[0].rank()) return false;
    const double exponent = scalar_value(e.inputs[1], "the exponent");
    if (exponent == 2) {
      map<float, float>(e.inputs[0], e.outputs[0], [](float x) { return x * x; });
    } else if (exponent == 3) {
      map<float, float>(e.inputs[0], e.outputs[0], [](float x) { return x * x * x; });
    } else {
      return false;
    }
    return true;
  }

  template <class A, class B>
  static void power(const Tensor& a, const Tensor& b, const Tensor& y) {
    const LoopNest<2> nest(y.shape(),
                           {broadcast_strides(a.shape(), y.shape()), broadcast_strides(b.shape(), y.shape())});
    A* to = y.data<A>();
    nest.for_each_row([&](const auto& at) {
      for (std::size_t i = 0; i < nest.row(); ++i) {
        const auto k = static_cast<std::int64_t>(i);
        const auto base = load(a.data<A>()[at[0] + k * nest.row_stride(0)]);
        const auto exponent = load(b.data<B>()[at[1] + k * nest.row_stride(1)]);
        *to++ = store<A>(power(base, exponent));
      }
    });
  }
  template <class A, class B>
  static A power(A base, B exponent) {
    if constexpr (std::is_floating_point_v<A>) {
      return static_cast<A>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    } else if constexpr (std::is_floating_point_v<B>) {
      return to_integer<A>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    } else {
      return integer_power(base, exponent);
    }
  }
};

class BitShift : public Operator {
 public:
  explicit BitShift(const Node& node) {
    check_inputs(node, 2, 2);
    const std::string direction = node.attributes.text("direction");
    if (direction != "LEFT" && direction != "RIGHT") {
      throw Error("attribute 'direction' is '" + direction + "', expected 'LEFT' or 'RIGHT'");
    }
    left_ = direction == "LEFT";
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<std::uint8_t>{});
    check_same_type(io, 0, 1);
    io.output(0, DType::u8, broadcast(io.input(0).shape(), io.input(1).shape()));
  }
  void compute(const Execution& e) const override {
    using T = std::uint8_t;
    zip<T, T>(e.inputs[0], e.inputs[1], e.outputs[0], [this](T x, T by) {
      if (by >= 8) return T{0};
      return static_cast<T>(left_ ? x << by : x >> by);
    });
  }

 private:
  bool left_;
};

// Max, Min, Sum, Mean of one input or more, folded from the left.
template <class Fn, bool kMean = false>
class Variadic : public Operator {
 public:
  explicit Variadic(const Node& node) { check_inputs(node, 1, kAnyNumber); }
  void infer(Inference& io) const override {
    check_type(io, 0, Numbers{});
    Shape shape = io.input(0).shape();
    for (std::size_t i = 1; i < io.input_count(); ++i) {
      check_same_type(io, 0, i);
      shape = broadcast(shape, io.input(i).shape());
    }
    io.output(0, io.input(0).type(), shape);
  }
  void compute(const Execution& e) const override {
    visit_in(Numbers{}, e.inputs[0].type(), [&](auto t) {
      using T = decltype(t);
      const Tensor& y = e.outputs[0];
      copy_strided(e.inputs[0], 0, y.shape(), broadcast_strides(e.inputs[0].shape(), y.shape()), y);
      for (std::size_t i = 1; i < e.inputs.size(); ++i) zip<T, T>(y, e.inputs[i], y, Fn{});
      if constexpr (kMean) {
        const auto n = static_cast<Compute<T>>(e.inputs.size());
        map<T, T>(y, y, [n](auto x) { return checked_div(x, n); });
      }
    });
  }
};

class Where : public Operator {
 public:
  explicit Where(const Node& node) { check_inputs(node, 3, 3); }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<bool>{});
    check_same_type(io, 1, 2);
    const Shape branches = broadcast(io.input(1).shape(), io.input(2).shape());
    io.output(0, io.input(1).type(), broadcast(io.input(0).shape(), branches));
  }
  void compute(const Execution& e) const override {
    visit(e.inputs[1].type(), [&](auto t) { select<decltype(t)>(e); });
  }

 private:
  template <class T>
  static void select(const Execution& e) {
    const Tensor& y = e.outputs[0];
    const LoopNest<3> nest(y.shape(), {broadcast_strides(e.inputs[0].shape(), y.shape()),
                                       broadcast_strides(e.inputs[1].shape(), y.shape()),
                                       broadcast_strides(e.inputs[2].shape(), y.shape())});
    T* to = y.data<T>();
    nest.for_each_row([&](const auto& at) {
      const bool* c = e.inputs[0].data<bool>() + at[0];
      const T* a = e.inputs[1].data<T>() + at[1];
      const T* b = e.inputs[2].data<T>() + at[2];
      for (std::size_t i = 0; i < nest.row(); ++i) {
        *to++ = *c ? *a : *b;
        c += nest.row_stride(0);
        a += nest.row_stride(1);
        b += nest.row_stride(2);
      }
    });
  }
};

}  // namespace

void register_elementwise_binary(Registry& r) {
  r.add("Add", 7, make<Binary<Add, Numbers>>());
  r.add("Sub", 7, make<Binary<Sub, Numbers>>());
  r.add("Mul", 7, make<Binary<Mul, Numbers>>());
  r.add("Div", 7, make<Binary<Div, Numbers>>());
  r.add("And", 7, make<Binary<And, Types<bool>>>());
  r.add("Or", 7, make<Binary<Or, Types<bool>>>());
  r.add("Xor", 7, make<Binary<Xor, Types<bool>>>());
  r.add("Equal", 7, make<Binary<Equal, AllTypes>>());
  r.add("Less", 7, make<Binary<Less, Numbers>>());
  r.add("Greater", 7, make<Binary<Greater, Numbers>>());
  r.add("LessOrEqual", 12, make<Binary<LessOrEqual, Numbers>>());
  r.add("GreaterOrEqual", 12, make<Binary<GreaterOrEqual, Numbers>>());
  r.add("BitwiseAnd", 18, make<Binary<BitwiseAnd, Integers>>());
  r.add("BitwiseOr", 18, make<Binary<BitwiseOr, Integers>>());
  r.add("BitwiseXor", 18, make<Binary<BitwiseXor, Integers>>());
  r.add("PRelu", 7, make<PReluOperator>());
  r.add("Mod", 10, make<Mod>());
  r.add("Pow", 7, make<Pow>());
  r.add("BitShift", 11, make<BitShift>());
  r.add("Max", 6, make<Variadic<Max>>());
  r.add("Min", 6, make<Variadic<Min>>());
  r.add("Sum", 6, make<Variadic<Add>>());
  r.add("Mean", 6, make<Variadic<Add, true>>());
  r.add("Where", 9, make<Where>());
}

}  // namespace sesame::engine
