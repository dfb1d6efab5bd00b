// ONNX Runtime's fused elementwise and normalizing operators: BiasGelu, FastGelu, SkipLayerNormalization.
#include <algorithm>
#include <cmath>

#include "engine/operators/loops.h"
#include "engine/operators/normalization.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

using HalfOrFloat = Types<float, Half>;

// activation(x + bias), the bias (optional for FastGelu) along the last axis.
class BiasActivation : public Operator {
 public:
  BiasActivation(const Node& node, kernels::Activation activation, bool needs_bias) : activation_(activation) {
    check_inputs(node, needs_bias ? 2 : 1, 2);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, HalfOrFloat{});
    const Tensor& x = io.input(0);
    if (io.has(1)) {
      check_same_type(io, 0, 1);
      if (x.rank() == 0) throw Error("the input is a scalar");
      check_shape("the bias", io.input(1).shape(), {x.shape().back()});
    }
    io.output(0, x.type(), x.shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    if (!e.has(1)) {
      float_rows(x, e.outputs[0], [&](const float* from, std::size_t n, float* to) {
        e.kernels->activation_row(activation_, from, n, to);
      });
      return;
    }
    const auto n = static_cast<std::size_t>(x.shape().back());
    const Tensor bias = as_floats(e.inputs[1]);
    std::vector<float> row(n);
    visit_in(HalfOrFloat{}, x.type(), [&](auto t) {
      using T = decltype(t);
      for (std::int64_t begin = 0; begin < x.size(); begin += x.shape().back()) {
        const T* from = x.data<T>() + begin;
        for (std::size_t i = 0; i < n; ++i) row[i] = load(from[i]) + bias.data<float>()[i];
        e.kernels->activation_row(activation_, row.data(), n, row.data());
        for (std::size_t i = 0; i < n; ++i)
          e.outputs[0].data<T>()[begin + static_cast<std::int64_t>(i)] = store<T>(row[i]);
      }
    });
  }

 private:
  kernels::Activation activation_;
};

StepFactory bias_activation(kernels::Activation activation, bool needs_bias) {
  return [=](const Graph&, const Node& node) { return std::make_unique<BiasActivation>(node, activation, needs_bias); };
}

// Input, skip, gamma, beta, bias -> normalized sum, mean, inverse deviation, the sum itself. The skip may lack the
// batch axis or have 1 there. The simplified form has no beta.
template <bool kSimplified>
class SkipLayerNormalization : public Operator {
 public:
  explicit SkipLayerNormalization(const Node& node)
      : epsilon_(node.attributes.real("epsilon", kSimplified ? 1e-5f : 1e-12f)) {
    check_inputs(node, 3, kSimplified ? 4 : 5);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, HalfOrFloat{});
    check_same_type(io, 0, 1);
    const Tensor& x = io.input(0);
    if (x.rank() == 0) throw Error("the input is a scalar");
    if (!broadcasts_to(io.input(1).shape(), x.shape())) {
      throw Error("skip of shape " + to_string(io.input(1).shape()) + " does not fit " + to_string(x.shape()));
    }
    for (std::size_t i = 2; i < io.input_count(); ++i) {
      if (!io.has(i)) continue;
      check_type(io, i, HalfOrFloat{});
      check_shape("input " + std::to_string(i), io.input(i).shape(), {x.shape().back()});
    }
    io.output(0, x.type(), x.shape());
    Shape statistics = x.shape();
    statistics.back() = 1;
    io.output(1, DType::f32, statistics);
    io.output(2, DType::f32, statistics);
    io.output(3, x.type(), x.shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    visit_in(HalfOrFloat{}, x.type(), [&](auto t) { normalize<decltype(t)>(e); });
  }

 private:
  template <class T>
  void normalize(const Execution& e) const {
    const Tensor& x = e.inputs[0];
    const std::int64_t n = x.shape().back();
    const auto count = static_cast<std::size_t>(n);
    const std::size_t bias_index = kSimplified ? 3 : 4;
    const Tensor gamma = as_floats(e.inputs[2]);
    const Tensor beta = row_parameter(!kSimplified && e.has(3) ? &e.inputs[3] : nullptr, {n}, 0);
    const Tensor bias = row_parameter(e.has(bias_index) ? &e.inputs[bias_index] : nullptr, {n}, 0);
    std::vector<float> sum(count), squares(count);
    // The skip as rows: all of its axes but the last, broadcast.
    const Shape outer(x.shape().begin(), x.shape().end() - 1);
    Shape steps = broadcast_strides(e.inputs[1].shape(), x.shape());
    const std::int64_t last = steps.back();
    steps.pop_back();
    const LoopNest<1> nest(outer, {steps});
    std::int64_t row = 0;
    nest.for_each_row([&](const auto& at) {
      for (std::size_t i = 0; i < nest.row(); ++i, ++row) {
        const T* skip = e.inputs[1].data<T>() + at[0] + static_cast<std::int64_t>(i) * nest.row_stride(0);
        const T* from = x.data<T>() + row * n;
        for (std::int64_t j = 0; j < n; ++j) {
          sum[static_cast<std::size_t>(j)] = load(from[j]) + load(skip[j * last]) + bias.data<float>()[j];
        }
        write<T>(e, row, sum, squares, gamma.data<float>(), beta.data<float>());
      }
    });
  }

  template <class T>
  void write(const Execution& e, std::int64_t row, std::vector<float>& sum, std::vector<float>& squares,
             const float* gamma, const float* beta) const {
    const std::size_t n = sum.size();
    const auto begin = static_cast<std::size_t>(row) * n;
    if (wants(e, 3)) {
      for (std::size_t j = 0; j < n; ++j) e.outputs[3].data<T>()[begin + j] = store<T>(sum[j]);
    }
    if (wants(e, 1) || wants(e, 2)) {
      const RowStatistics s = row_statistics(*e.kernels, sum.data(), epsilon_, n, squares.data());
      if (wants(e, 1)) e.outputs[1].data<float>()[row] = s.mean;
      if (wants(e, 2)) e.outputs[2].data<float>()[row] = s.inverse_deviation;
    }
    if constexpr (kSimplified) {
      rms_norm_row(*e.kernels, sum.data(), gamma, epsilon_, n, squares.data(), sum.data());
    } else {
      e.kernels->layernorm_row(sum.data(), gamma, beta, epsilon_, n, sum.data());
    }
    for (std::size_t j = 0; j < n; ++j) e.outputs[0].data<T>()[begin + j] = store<T>(sum[j]);
  }

  float epsilon_;
};

}  // namespace

void register_microsoft_fused(Registry& r) {
  r.add(kMicrosoft, "BiasGelu", 1, bias_activation(kernels::Activation::gelu_erf, true));
  r.add(kMicrosoft, "FastGelu", 1, bias_activation(kernels::Activation::gelu_tanh, false));
  r.add(kMicrosoft, "SkipLayerNormalization", 1, make<SkipLayerNormalization<false>>());
  r.add(kMicrosoft, "SkipSimplifiedLayerNormalization", 1, make<SkipLayerNormalization<true>>());
}

}  // namespace sesame::engine
