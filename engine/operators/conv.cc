// Conv of any rank. Each block of output positions is one product: the group's weights by the
// input's columns, gathered straight into the packed layout.
#include <algorithm>

#include "engine/operators/convolution.h"
#include "engine/operators/registry.h"
#include "kernels/pack.h"

namespace sesame::engine {

namespace {

constexpr std::int64_t kColumns = 128;  // output positions of an item, whole panels

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
    io.output(0, io.input(0).type(), s.output());
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

}  // namespace

void register_conv(Registry& r) { r.add("Conv", 1, make<Conv>()); }

}  // namespace sesame::engine
