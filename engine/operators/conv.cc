// Conv of any rank and ConvInteger. Each block of output positions is one product: the group's weights by the
// input's columns, gathered straight into the packed layout.
#include <algorithm>

#include "engine/operators/convolution.h"
#include "engine/operators/integer_product.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

constexpr std::int64_t kColumns = 128;  // output positions of an item, whole panels

Shape output_shape(const ConvolutionShape& s) {
  Shape y{s.batch, s.groups * s.features};
  y.insert(y.end(), s.out.begin(), s.out.end());
  return y;
}

// Two phases: float16 operands are widened; then blocks of columns are multiplied.
class Conv : public Step {
 public:
  explicit Conv(const Node& node) : parameters_(node) { check_inputs(node, 2, 3); }

  void infer(Inference& io) const override {
    check_type(io, 0, Types<float, Half>{});
    check_same_type(io, 0, 1);
    const ConvolutionShape s = parameters_.shape(io.input(0).shape(), io.input(1).shape());
    if (io.has(2)) {
      check_same_type(io, 0, 2);
      check_shape("the bias", io.input(2).shape(), {s.groups * s.features});
    }
    io.output(0, io.input(0).type(), output_shape(s));
  }
  std::size_t scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor>) const override {
    if (inputs[0].type() == DType::f32) return 0;
    return static_cast<std::size_t>(inputs[0].size() + inputs[1].size()) * sizeof(float);
  }
  std::size_t worker_scratch_bytes(std::span<const Tensor> inputs, std::span<const Tensor> outputs) const override {
    if (outputs[0].size() == 0) return 0;
    const ConvolutionShape s = parameters_.shape(inputs[0].shape(), inputs[1].shape());
    const std::size_t columns = s.depth() * kColumns * sizeof(float);
    return columns + (inputs[0].type() == DType::f16 ? s.features * kColumns * sizeof(float) : 0);
  }
  std::size_t phases() const override { return 2; }
  std::size_t items(const Execution& e, std::size_t phase) const override {
    if (e.outputs[0].size() == 0) return 0;
    if (phase == 0) return e.inputs[0].type() == DType::f16 ? 1 : 0;
    const ConvolutionShape s = parameters_.shape(e.inputs[0].shape(), e.inputs[1].shape());
    return static_cast<std::size_t>(s.batch * s.groups * blocks(s));
  }
  void run(const Execution& e, std::size_t phase, std::size_t item, int worker) const override {
    if (phase == 0) {
      float* to = reinterpret_cast<float*>(e.scratch);
      to_floats(e.inputs[0].data<Half>(), static_cast<std::size_t>(e.inputs[0].size()), to);
      to_floats(e.inputs[1].data<Half>(), static_cast<std::size_t>(e.inputs[1].size()), to + e.inputs[0].size());
      return;
    }
    const ConvolutionShape s = parameters_.shape(e.inputs[0].shape(), e.inputs[1].shape());
    multiply(e, s, static_cast<std::int64_t>(item),
             reinterpret_cast<float*>(e.worker_scratch[static_cast<std::size_t>(worker)]));
  }

 private:
  static std::int64_t blocks(const ConvolutionShape& s) { return (s.out_size() + kColumns - 1) / kColumns; }

  static void multiply(const Execution& e, const ConvolutionShape& s, std::int64_t item, float* packed) {
    const bool narrow = e.inputs[0].type() == DType::f16;
    const float* x = narrow ? reinterpret_cast<const float*>(e.scratch) : e.inputs[0].data<float>();
    const float* w = narrow ? x + e.inputs[0].size() : e.inputs[1].data<float>();
    const std::int64_t first = item % blocks(s) * kColumns;
    const std::int64_t count = std::min(kColumns, s.out_size() - first);
    const std::int64_t plane = item / blocks(s);  // batch and group
    const std::int64_t group = plane % s.groups;
    x += plane * s.channels * s.in_size();
    pack_columns(s, x, first, count, packed);

    kernels::GemmF32 g{};
    g.a = w + group * s.features * s.depth();
    g.lda = s.depth();
    g.b = packed;
    g.M = static_cast<std::size_t>(s.features);
    g.N = static_cast<std::size_t>(count);
    g.K = static_cast<std::size_t>(s.depth());
    const std::int64_t begin = plane * s.features * s.out_size() + first;
    g.c = narrow ? packed + s.depth() * kColumns : e.outputs[0].data<float>() + begin;
    g.ldc = narrow ? kColumns : s.out_size();
    if (s.depth() == 0) {
      for (std::int64_t m = 0; m < s.features; ++m) std::fill_n(g.c + m * g.ldc, count, 0.0f);
    } else {
      e.kernels->gemm_f32(g);
    }
    for (std::int64_t m = 0; m < s.features; ++m) {
      float* row = g.c + m * g.ldc;
      if (e.has(2)) {
        const std::int64_t feature = group * s.features + m;
        const float bias = narrow ? to_float(e.inputs[2].data<Half>()[feature]) : e.inputs[2].data<float>()[feature];
        for (std::int64_t i = 0; i < count; ++i) row[i] += bias;
      }
      if (narrow) to_halves(row, static_cast<std::size_t>(count), e.outputs[0].data<Half>() + begin + m * s.out_size());
    }
  }

  // Columns [first, first + count) in the layout of kernels/pack.h, zeros past the last.
  static void pack_columns(const ConvolutionShape& s, const float* x, std::int64_t first, std::int64_t count,
                           float* packed) {
    if (s.is_pointwise()) {
      kernels::pack_f32(x + first, s.in_size(), 1, static_cast<std::size_t>(s.channels),
                        static_cast<std::size_t>(count), packed);
      return;
    }
    constexpr auto kPanel = static_cast<std::int64_t>(kernels::kPanel);
    std::int64_t source[kColumns];
    std::fill_n(source, kColumns, -1);
    for (std::int64_t k = 0; k < s.depth(); ++k) {
      s.sources(k, first, count, source);
      for (std::int64_t p = 0; p < (count + kPanel - 1) / kPanel * kPanel; ++p) {
        packed[(p / kPanel * s.depth() + k) * kPanel + p % kPanel] = source[p] < 0 ? 0.0f : x[source[p]];
      }
    }
  }

  ConvolutionParameters parameters_;
};

// x, w, zero point of x, zero points of w (one or one a feature); int32 out.
class ConvInteger : public Operator {
 public:
  explicit ConvInteger(const Node& node) : parameters_(node) { check_inputs(node, 2, 4); }
  void infer(Inference& io) const override {
    check_type(io, 0, ByteTypes{});
    check_type(io, 1, ByteTypes{});
    const ConvolutionShape s = parameters_.shape(io.input(0).shape(), io.input(1).shape());
    if (io.has(2)) check_zero_point("x's zero point", io.input(2), io.input(0).type(), 1);
    if (io.has(3)) check_zero_point("w's zero point", io.input(3), io.input(1).type(), s.groups * s.features);
    io.output(0, DType::i32, output_shape(s));
  }
  void compute(const Execution& e) const override {
    if (e.outputs[0].size() == 0) return;
    const ConvolutionShape s = parameters_.shape(e.inputs[0].shape(), e.inputs[1].shape());
    std::vector<std::int16_t> weights(static_cast<std::size_t>(e.inputs[1].size()));
    widen(e.inputs[1], e.has(3) ? &e.inputs[3] : nullptr, s.depth(), weights.data());
    std::vector<std::int16_t> x(static_cast<std::size_t>(e.inputs[0].size()));
    widen(e.inputs[0], e.has(2) ? &e.inputs[2] : nullptr, e.inputs[0].size(), x.data());
    std::vector<std::int16_t> columns(static_cast<std::size_t>(s.depth() * kColumns));
    std::vector<std::int32_t> sums(static_cast<std::size_t>(s.features * kColumns));
    for (std::int64_t plane = 0; plane < s.batch * s.groups; ++plane) {
      for (std::int64_t first = 0; first < s.out_size(); first += kColumns) {
        const std::int64_t count = std::min(kColumns, s.out_size() - first);
        gather(s, x.data() + plane * s.channels * s.in_size(), first, count, columns.data());
        multiply_int16(weights.data() + plane % s.groups * s.features * s.depth(), columns.data(), s.features, count,
                       s.depth(), sums.data());
        for (std::int64_t m = 0; m < s.features; ++m) {
          std::copy_n(sums.data() + m * count, count,
                      e.outputs[0].data<std::int32_t>() + (plane * s.features + m) * s.out_size() + first);
        }
      }
    }
  }

 private:
  static void gather(const ConvolutionShape& s, const std::int16_t* x, std::int64_t first, std::int64_t count,
                     std::int16_t* columns) {
    std::int64_t source[kColumns];
    for (std::int64_t k = 0; k < s.depth(); ++k) {
      s.sources(k, first, count, source);
      for (std::int64_t p = 0; p < count; ++p) columns[k * count + p] = source[p] < 0 ? std::int16_t{0} : x[source[p]];
    }
  }
  ConvolutionParameters parameters_;
};

}  // namespace

void register_conv(Registry& r) {
  r.add("Conv", 1, make<Conv>());
  r.add("ConvInteger", 10, make<ConvInteger>());
}

}  // namespace sesame::engine
