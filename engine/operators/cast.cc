// Conversions between element types.
#include <type_traits>

#include "engine/operators/elementwise.h"
#include "engine/operators/integer_math.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

// Floats to integers as to_integer says, integers to narrower integers keep the low bits, anything but 0 is true.
template <class To, class From>
To convert(From stored) {
  const auto x = load(stored);
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_same_v<To, Half>) {
    return to_half(static_cast<float>(x));
  } else if constexpr (std::is_floating_point_v<decltype(x)> && std::is_integral_v<To>) {
    return to_integer<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

void cast(const Tensor& x, const Tensor& y) {
  if (x.type() == y.type()) return copy_all(x, y);
  visit(x.type(), [&](auto from) {
    visit(y.type(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      const From* in = x.data<From>();
      To* out = y.data<To>();
      for (std::int64_t i = 0; i < x.size(); ++i) out[i] = convert<To>(in[i]);
    });
  });
}

class Cast : public Operator {
 public:
  explicit Cast(const Node& node) : to_(element_type(node.attributes.integer("to"))) { check_inputs(node, 1, 1); }
  void infer(Inference& io) const override { io.output(0, to_, io.input(0).shape()); }
  void compute(const Execution& e) const override { cast(e.inputs[0], e.outputs[0]); }

 private:
  DType to_;
};

class CastLike : public Operator {
 public:
  explicit CastLike(const Node& node) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override { io.output(0, io.input(1).type(), io.input(0).shape()); }
  void compute(const Execution& e) const override { cast(e.inputs[0], e.outputs[0]); }
};

}  // namespace

void register_cast(Registry& r) {
  r.add("Cast", 6, make<Cast>());
  r.add("CastLike", 15, make<CastLike>());
}

}  // namespace sesame::engine
