// GEMM problems with guarded buffers, for comparing a kernel with its reference byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "kernels/pack.h"
#include "kernels/table.h"
#include "tests/catch.h"
#include "tests/kernels/guarded.h"

namespace sesame::kernels {

struct GemmShape {
  std::size_t M, N, K;
  std::size_t extra_lda = 0, extra_ldc = 0, extra_ld_residual = 0;
};

enum class ResidualKind { none, apart, in_place };

struct GemmEpilogueKind {
  bool bias = true;
  ResidualKind residual = ResidualKind::none;
  Activation activation = Activation::none;
};

// The operands that all precisions share. Values are drawn so that sums round: the order of additions shows.
class GemmBuffers {
 public:
  GemmBuffers(const GemmShape& s, std::uint32_t seed)
      : shape(s), random(seed), bias(s.N), residual(rows_size(s.N + s.extra_ld_residual)), c(rows_size(ldc())) {
    fill(bias);
    fill(residual);
  }
  std::size_t ldc() const { return shape.N + shape.extra_ldc; }
  float uniform() { return std::uniform_real_distribution<float>(-1, 1)(random); }
  void fill(Guarded<float>& values) {
    for (float& value : values) value = uniform();
  }

  // Every call starts from the same c, so what a kernel leaves untouched compares equal.
  void reset_c() {
    for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i % 97) * 0.37f - 9;
  }
  Epilogue epilogue(const GemmEpilogueKind& kind) {
    Epilogue e;
    if (kind.bias) e.bias = bias.data();
    e.activation = kind.activation;
    if (kind.residual == ResidualKind::in_place)
      e.residual = c.data(), e.ld_residual = static_cast<std::ptrdiff_t>(ldc());
    if (kind.residual == ResidualKind::apart) {
      e.residual = residual.data();
      e.ld_residual = static_cast<std::ptrdiff_t>(shape.N + shape.extra_ld_residual);
    }
    return e;
  }

  GemmShape shape;
  std::mt19937 random;
  Guarded<float> bias, residual, c;

 private:
  // The last row ends at its last column: what follows is guarded.
  std::size_t rows_size(std::size_t stride) const { return shape.M == 0 ? 0 : (shape.M - 1) * stride + shape.N; }
};

class ProblemF32 : public GemmBuffers {
 public:
  ProblemF32(const GemmShape& s, std::uint32_t seed)
      : GemmBuffers(s, seed), a((s.M - 1) * (s.K + s.extra_lda) + s.K), b(packed_f32_size(s.K, s.N)) {
    fill(a);
    Guarded<float> w(s.K * s.N);
    fill(w);
    pack_f32(w.data(), static_cast<std::ptrdiff_t>(s.N), 1, s.K, s.N, b.data());
  }
  GemmF32 arguments(const GemmEpilogueKind& kind) {
    return {a.data(),
            static_cast<std::ptrdiff_t>(shape.K + shape.extra_lda),
            b.data(),
            shape.M,
            shape.N,
            shape.K,
            epilogue(kind),
            c.data(),
            static_cast<std::ptrdiff_t>(ldc())};
  }
  Guarded<float> a, b;
};

class ProblemBf16 : public GemmBuffers {
 public:
  ProblemBf16(const GemmShape& s, std::uint32_t seed)
      : GemmBuffers(s, seed), a((s.M - 1) * lda() + round_up(s.K, 2)), b(packed_bf16_size(s.K, s.N)) {
    Guarded<float> row(s.K), w(s.K * s.N);
    for (std::size_t m = 0; m < s.M; ++m) {
      fill(row);
      table(Isa::scalar).to_bf16_row(row.data(), s.K, a.data() + m * lda());
    }
    fill(w);
    pack_bf16(w.data(), static_cast<std::ptrdiff_t>(s.N), 1, s.K, s.N, b.data());
  }
  std::size_t lda() const { return round_up(shape.K, 2) + shape.extra_lda; }
  GemmBf16 arguments(const GemmEpilogueKind& kind) {
    return {a.data(), static_cast<std::ptrdiff_t>(lda()), b.data(), shape.M, shape.N, shape.K, epilogue(kind),
            c.data(), static_cast<std::ptrdiff_t>(ldc())};
  }
  Guarded<std::uint16_t> a, b;
};

class ProblemU8S8 : public GemmBuffers {
 public:
  ProblemU8S8(const GemmShape& s, std::uint32_t seed)
      : GemmBuffers(s, seed),
        a((s.M - 1) * lda() + round_up(s.K, 4)),
        a_scale(s.M),
        b(packed_s8_size(s.K, s.N)),
        b_scale(round_up(s.N, kPanel)),
        acc_init(round_up(s.N, kPanel)) {
    for (std::uint8_t& value : a) value = static_cast<std::uint8_t>(random());
    fill(a_scale);
    fill(b_scale);
    Guarded<std::int8_t> w(s.K * s.N);
    for (std::int8_t& value : w) value = static_cast<std::int8_t>(random());
    set_weights(w.data());
  }
  std::size_t lda() const { return round_up(shape.K, 4) + shape.extra_lda; }
  void set_weights(const std::int8_t* w) {
    pack_s8(w, static_cast<std::ptrdiff_t>(shape.N), 1, shape.K, shape.N, b.data());
    column_sums_s8(b.data(), shape.K, shape.N, acc_init.data());
    for (std::int32_t& value : acc_init) value *= -128;
  }
  GemmU8S8 arguments(const GemmEpilogueKind& kind) {
    return {a.data(),       static_cast<std::ptrdiff_t>(lda()),
            a_scale.data(), b.data(),
            b_scale.data(), acc_init.data(),
            shape.M,        shape.N,
            shape.K,        epilogue(kind),
            c.data(),       static_cast<std::ptrdiff_t>(ldc())};
  }
  Guarded<std::uint8_t> a;
  Guarded<float> a_scale;
  Guarded<std::int8_t> b;
  Guarded<float> b_scale;
  Guarded<std::int32_t> acc_init;
};

// Runs `kernel` and `reference` on the problem and compares all of c, gaps between rows included.
template <class Problem, class Kernel, class Reference>
void check_same_bytes(Problem& problem, const GemmEpilogueKind& kind, Kernel kernel, Reference reference) {
  const auto arguments = problem.arguments(kind);
  problem.reset_c();
  reference(arguments);
  Guarded<float> expected(problem.c.size());
  std::copy(problem.c.begin(), problem.c.end(), expected.begin());
  problem.reset_c();
  kernel(arguments);
  CAPTURE(problem.shape.M, problem.shape.N, problem.shape.K, kind.bias, int(kind.residual), int(kind.activation));
  REQUIRE(problem.c.same_bytes(expected));
  REQUIRE(problem.c.intact());
}

}  // namespace sesame::kernels
