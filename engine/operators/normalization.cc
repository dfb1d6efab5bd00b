// LayerNormalization and its kin.
#include "engine/operators/normalization.h"

#include <cmath>
#include <vector>

#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

Tensor row_parameter(const Tensor* parameter, const Shape& shape, float otherwise) {
  if (parameter != nullptr && parameter->shape() == shape) return as_floats(*parameter);
  Tensor row = Tensor::allocate(DType::f32, shape);
  if (parameter == nullptr) {
    std::fill_n(row.data<float>(), row.size(), otherwise);
  } else {
    const Tensor floats = as_floats(*parameter);
    copy_strided(floats, 0, shape, broadcast_strides(floats.shape(), shape), row);
  }
  return row;
}

RowStatistics row_statistics(const kernels::Table& kernels, const float* x, float epsilon, std::size_t n,
                             float* squares) {
  const float mean = kernels.sum_row(x, n) / static_cast<float>(n);
  for (std::size_t i = 0; i < n; ++i) squares[i] = (x[i] - mean) * (x[i] - mean);
  const float variance = kernels.sum_row(squares, n) / static_cast<float>(n);
  return {mean, 1.0f / std::sqrt(variance + epsilon)};
}

void rms_norm_row(const kernels::Table& kernels, const float* x, const float* gamma, float epsilon, std::size_t n,
                  float* squares, float* y) {
  for (std::size_t i = 0; i < n; ++i) squares[i] = x[i] * x[i];
  const float root = std::sqrt(kernels.sum_row(squares, n) / static_cast<float>(n) + epsilon);
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] / root * gamma[i];
}

namespace {

// Over the axes from `axis` on. kSimplified divides by the root of the mean square only and has no bias.
template <bool kSimplified>
class LayerNormalization : public Operator {
 public:
  explicit LayerNormalization(const Node& node)
      : axis_(node.attributes.integer("axis", -1)), epsilon_(node.attributes.real("epsilon", 1e-5f)) {
    check_inputs(node, 2, kSimplified ? 2 : 3);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    const Tensor& x = io.input(0);
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const Shape row = row_shape(x, axis);
    for (std::size_t i = 1; i < 3; ++i) {
      if (!io.has(i)) continue;
      if ((x.type() == DType::f64) != (io.input(i).type() == DType::f64)) check_same_type(io, 0, i);
      check_type(io, i, Floats{});
      if (!broadcasts_to(io.input(i).shape(), row)) {
        throw Error("scale or bias of shape " + to_string(io.input(i).shape()) + " does not broadcast to " +
                    to_string(row));
      }
    }
    io.output(0, x.type(), x.shape());
    Shape statistics = x.shape();
    std::fill(statistics.begin() + static_cast<std::ptrdiff_t>(axis), statistics.end(), 1);
    const DType statistics_type = x.type() == DType::f64 ? DType::f64 : DType::f32;
    // The simplified form has the inverse deviation only.
    for (std::size_t i = 1; i < (kSimplified ? 2 : 3); ++i) io.output(i, statistics_type, statistics);
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const Shape row = row_shape(x, normalized_axis(axis_, x.rank()));
    if (x.type() == DType::f64) return compute_doubles(e, row);
    const Tensor gamma = row_parameter(&e.inputs[1], row, 1);
    const Tensor beta = row_parameter(e.has(2) ? &e.inputs[2] : nullptr, row, 0);
    const auto n = static_cast<std::size_t>(gamma.size());
    const Tensor in = as_floats(x);
    const Tensor out = x.type() == DType::f32 ? e.outputs[0] : Tensor::allocate(DType::f32, x.shape());
    std::vector<float> squares(n);
    for (std::int64_t i = 0; i < x.size() / gamma.size(); ++i) {
      const float* from = in.data<float>() + i * gamma.size();
      float* to = out.data<float>() + i * gamma.size();
      write_statistics(e, from, n, i, squares.data());
      if constexpr (kSimplified) {
        rms_norm_row(*e.kernels, from, gamma.data<float>(), epsilon_, n, squares.data(), to);
      } else {
        e.kernels->layernorm_row(from, gamma.data<float>(), beta.data<float>(), epsilon_, n, to);
      }
    }
    if (x.type() == DType::f16) assign_floats(out.data<float>(), e.outputs[0]);
  }

 private:
  static Shape row_shape(const Tensor& x, std::size_t axis) {
    return {x.shape().begin() + static_cast<std::ptrdiff_t>(axis), x.shape().end()};
  }

  void write_statistics(const Execution& e, const float* x, std::size_t n, std::int64_t row, float* squares) const {
    if constexpr (kSimplified) {
      if (!wants(e, 1)) return;
      for (std::size_t i = 0; i < n; ++i) squares[i] = x[i] * x[i];
      const float mean_square = e.kernels->sum_row(squares, n) / static_cast<float>(n);
      e.outputs[1].data<float>()[row] = 1.0f / std::sqrt(mean_square + epsilon_);
    } else {
      if (!wants(e, 1) && !wants(e, 2)) return;
      const RowStatistics s = row_statistics(*e.kernels, x, epsilon_, n, squares);
      if (wants(e, 1)) e.outputs[1].data<float>()[row] = s.mean;
      if (wants(e, 2)) e.outputs[2].data<float>()[row] = s.inverse_deviation;
    }
  }

  void compute_doubles(const Execution& e, const Shape& row) const {
    const std::int64_t n = element_count(row);
    const Shape gamma_strides = broadcast_strides(e.inputs[1].shape(), row);
    Tensor gamma = Tensor::allocate(DType::f64, row);
    copy_strided(e.inputs[1], 0, row, gamma_strides, gamma);
    Tensor beta = Tensor::allocate(DType::f64, row);
    std::fill_n(beta.data<double>(), n, 0.0);
    if (e.has(2)) copy_strided(e.inputs[2], 0, row, broadcast_strides(e.inputs[2].shape(), row), beta);
    for (std::int64_t r = 0; r < e.inputs[0].size() / n; ++r) {
      const double* x = e.inputs[0].data<double>() + r * n;
      double mean = 0;
      for (std::int64_t i = 0; i < n && !kSimplified; ++i) mean += x[i] / static_cast<double>(n);
      double variance = 0;
      for (std::int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
      const double inverse = 1 / std::sqrt(variance + static_cast<double>(epsilon_));
      for (std::int64_t i = 0; i < n; ++i) {
        e.outputs[0].data<double>()[r * n + i] =
            (x[i] - mean) * inverse * gamma.data<double>()[i] + beta.data<double>()[i];
      }
      if (!kSimplified && wants(e, 1)) e.outputs[1].data<double>()[r] = mean;
      const std::size_t last = kSimplified ? 1 : 2;
      if (wants(e, last)) e.outputs[last].data<double>()[r] = inverse;
    }
  }

  std::int64_t axis_;
  float epsilon_;
};

// Inference only: (x - mean) / sqrt(variance + epsilon) * scale + bias, one of each a channel (axis 1).
class BatchNormalization : public Operator {
 public:
  explicit BatchNormalization(const Node& node) : epsilon_(node.attributes.real("epsilon", 1e-5f)) {
    check_inputs(node, 5, 5);
    if (node.attributes.integer("training_mode", 0) != 0) throw Error("training mode is not supported");
  }
  void infer(Inference& io) const override {
    const Tensor& x = io.input(0);
    if (x.rank() < 2) throw Error("the input has rank " + std::to_string(x.rank()) + ", expected at least 2");
    for (std::size_t i = 0; i < 5; ++i) {
      check_type(io, i, Types<float, Half>{});
      if (i > 0) check_shape("input " + std::to_string(i), io.input(i).shape(), {x.dim(1)});
    }
    io.output(0, x.type(), x.shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const Tensor in = as_floats(x);
    const Tensor scale = as_floats(e.inputs[1]), bias = as_floats(e.inputs[2]);
    const Tensor mean = as_floats(e.inputs[3]), variance = as_floats(e.inputs[4]);
    const Tensor out = x.type() == DType::f32 ? e.outputs[0] : Tensor::allocate(DType::f32, x.shape());
    const std::int64_t inner = strides_of(x.shape())[1];
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const std::int64_t c = i / inner % x.dim(1);
      const float deviation = std::sqrt(variance.data<float>()[c] + epsilon_);
      out.data<float>()[i] =
          (in.data<float>()[i] - mean.data<float>()[c]) / deviation * scale.data<float>()[c] + bias.data<float>()[c];
    }
    if (x.type() == DType::f16) assign_floats(out.data<float>(), e.outputs[0]);
  }

 private:
  float epsilon_;
};

// x / (sum of |x|^p)^(1/p) along an axis, 0 where the norm is.
class LpNormalization : public Operator {
 public:
  explicit LpNormalization(const Node& node)
      : axis_(node.attributes.integer("axis", -1)), p_(node.attributes.integer("p", 2)) {
    check_inputs(node, 1, 1);
    if (p_ != 1 && p_ != 2) throw Error("attribute 'p' is " + std::to_string(p_) + ", expected 1 or 2");
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Floats{});
    normalized_axis(axis_, io.input(0).rank());
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const std::int64_t n = x.dim(axis);
    const std::int64_t inner = strides_of(x.shape())[axis];
    visit_in(Floats{}, x.type(), [&](auto t) {
      using T = decltype(t);
      for (std::int64_t r = 0; r < x.size() / n; ++r) {
        const std::int64_t begin = r / inner * n * inner + r % inner;
        const T* from = x.data<T>() + begin;
        double norm = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto v = static_cast<double>(load(from[i * inner]));
          norm += p_ == 1 ? std::fabs(v) : v * v;
        }
        if (p_ == 2) norm = std::sqrt(norm);
        for (std::int64_t i = 0; i < n; ++i) {
          const double y = norm == 0 ? 0 : static_cast<double>(load(from[i * inner])) / norm;
          e.outputs[0].data<T>()[begin + i * inner] = store<T>(static_cast<Compute<T>>(y));
        }
      }
    });
  }

 private:
  std::int64_t axis_;
  std::int64_t p_;
};

// LayerNorm as its operators spell it (kernels' layernorm_steps_row): what form_layernorms makes of them where a last
// bit counts. x, gamma, beta.
class LayerNormalizationSteps : public Operator {
 public:
  explicit LayerNormalizationSteps(const Node& node) : epsilon_(node.attributes.real("epsilon")) {
    check_inputs(node, 3, 3);
  }
  void infer(Inference& io) const override {
    check_type(io, 0, Types<float>{});
    const Shape& shape = io.input(0).shape();
    for (std::size_t i : {1u, 2u})
      check_shape("gamma or beta", io.input(i).shape(), {shape.empty() ? 1 : shape.back()});
    io.output(0, DType::f32, shape);
  }
  void compute(const Execution& e) const override {
    const std::int64_t n = e.inputs[1].size();
    for (std::int64_t i = 0; n != 0 && i < e.inputs[0].size(); i += n) {
      e.kernels->layernorm_steps_row(e.inputs[0].data<float>() + i, e.inputs[1].data<float>(),
                                     e.inputs[2].data<float>(), epsilon_, static_cast<std::size_t>(n),
                                     e.outputs[0].data<float>() + i);
    }
  }

 private:
  float epsilon_;
};

}  // namespace

void register_normalization(Registry& r) {
  // ONNX Runtime's optimizer writes LayerNormalization in ONNX's domain whatever the opset.
  r.add("LayerNormalization", 1, make<LayerNormalization<false>>());
  r.add(kMicrosoft, "LayerNormalization", 1, make<LayerNormalization<false>>());
  r.add("SimplifiedLayerNormalization", 1, make<LayerNormalization<true>>());
  r.add(kMicrosoft, "SimplifiedLayerNormalization", 1, make<LayerNormalization<true>>());
  r.add("RMSNormalization", 23, make<LayerNormalization<true>>());
  r.add(kSesame, "LayerNormalizationSteps", 1, make<LayerNormalizationSteps>());
  r.add("BatchNormalization", 7, make<BatchNormalization>());
  r.add("LpNormalization", 1, make<LpNormalization>());
}

}  // namespace sesame::engine
