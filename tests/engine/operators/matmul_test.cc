// Products: MatMul, Gemm, Einsum, Conv, and their integer kin.
#include <cmath>

#include "engine/plan.h"
#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

namespace {

// sum_k a[m][k] b[k][n] of two matrices given as doubles.
V product(const V& a, const V& b, std::size_t M, std::size_t N, std::size_t K) {
  V c(M * N, 0);
  for (std::size_t m = 0; m < M; ++m) {
    for (std::size_t n = 0; n < N; ++n) {
      for (std::size_t k = 0; k < K; ++k) c[m * N + n] += a[m * K + k] * b[k * N + n];
    }
  }
  return c;
}

Tensor transposed(const Tensor& t) { return run({"Transpose"}, {t}); }

Tensor cast(const Tensor& t, std::int64_t to) { return run({"Cast", 13, "", {{"to", to}}}, {t}); }

}  // namespace

TEST_CASE("MatMul multiplies in every type") {
  // More rows than a block, more columns than a packing group, odd everything.
  const Tensor a = random_floats({67, 33}, 1), b = random_floats({33, 131}, 2);
  const V want = product(values(a), values(b), 67, 131, 33);
  CHECK(values(run({"MatMul"}, {a, b})) == want);
  CHECK(values(run({"MatMul"}, {cast(a, 11), cast(b, 11)})) == want);
  const Tensor ia = cast(run({"Mul"}, {a, floats({}, {256})}), 7), ib = cast(run({"Mul"}, {b, floats({}, {256})}), 7);
  CHECK(values(run({"MatMul"}, {ia, ib})) == product(values(ia), values(ib), 67, 131, 33));
  const V half = values(run({"MatMul"}, {cast(a, 10), cast(b, 10)}));
  for (std::size_t i = 0; i < want.size(); ++i)
    REQUIRE(half[i] == static_cast<double>(to_float(to_half(static_cast<float>(want[i])))));
}

TEST_CASE("MatMul broadcasts batches and takes vectors") {
  const Tensor a = random_floats({3, 1, 4, 5}, 3), b = random_floats({2, 5, 6}, 4);
  const Tensor c = run({"MatMul"}, {a, b});
  REQUIRE(c.shape() == Shape{3, 2, 4, 6});
  for (std::int64_t i = 0; i < 6; ++i) {
    const V va = values(a), vb = values(b), vc = values(c);
    const V want = product({va.begin() + i / 2 * 20, va.begin() + i / 2 * 20 + 20},
                           {vb.begin() + i % 2 * 30, vb.begin() + i % 2 * 30 + 30}, 4, 6, 5);
    CHECK(V(vc.begin() + i * 24, vc.begin() + i * 24 + 24) == want);
  }
  const Tensor v = random_floats({5}, 5);
  CHECK(run({"MatMul"}, {v, v}).shape() == Shape{});
  CHECK(run({"MatMul"}, {a, v}).shape() == Shape{3, 1, 4});
  CHECK(run({"MatMul"}, {v, b}).shape() == Shape{2, 6});
  CHECK(run({"MatMul"}, {random_floats({2, 3, 5}, 1), random_floats({1, 1, 5, 6}, 1)}).shape() == Shape{1, 2, 3, 6});
}

TEST_CASE("MatMul of empty operands") {
  CHECK(values(run({"MatMul"}, {floats({2, 0}, {}), floats({0, 2}, {})})) == V{0, 0, 0, 0});
  CHECK(run({"MatMul"}, {floats({0, 3}, {}), random_floats({3, 2}, 1)}).shape() == Shape{0, 2});
  CHECK(run({"MatMul"}, {floats({0, 2, 3}, {}), random_floats({3, 2}, 1)}).shape() == Shape{0, 2, 2});
}

TEST_CASE("MatMul says what does not fit") {
  CHECK(error_of({"MatMul"}, {random_floats({4, 48}, 1), random_floats({47, 3}, 1)}) ==
        "inner dimensions 48 and 47 differ");
  CHECK(error_of({"MatMul"}, {random_floats({4, 48}, 1)}) == "MatMul needs 2 inputs, found 1");
  CHECK(error_of({"MatMul"}, {random_floats({4, 4}, 1), ints({4, 4}, Ints(16, 1))}).find("expected one type") !=
        std::string::npos);
  CHECK(error_of({"MatMul"}, {floats({}, {1}), random_floats({3, 2}, 1)}) ==
        "a scalar is no operand of a matrix product");
}

TEST_CASE("MatMul gives the same bits at every level and with two threads") {
  const Tensor a = random_floats({2, 130, 70}, 6), b = random_floats({2, 70, 200}, 7);
  const Tensor first = run_operator({"MatMul"}, {a, b}, kernels::Isa::scalar)[0];
  for (const kernels::Isa isa : kernels::supported_isas())
    CHECK(same_bits(run_operator({"MatMul"}, {a, b}, isa)[0], first));

  Graph graph;
  for (const Tensor& t : {a, b}) {
    graph.inputs.push_back(graph.add_value("x"));
    graph.value(graph.inputs.back()).declared_type = t.type();
    graph.value(graph.inputs.back()).declared_shape = t.shape();
  }
  graph.outputs = {graph.add_value("y")};
  graph.nodes.push_back({"MatMul", "", 17, "", graph.inputs, graph.outputs, {}, nullptr});
  const Plan plan(graph);
  RunnerOptions options;
  options.threads = 2;
  Runner runner(plan, options);
  const Tensor inputs[] = {a, b};
  CHECK(same_bits(runner.run(inputs)[0], first));
}

TEST_CASE("FusedMatMul transposes matrices and batches") {
  const Tensor a = random_floats({3, 4, 5}, 8), b = random_floats({3, 5, 6}, 9);
  const auto fused = [&](const Tensor& x, const Tensor& y, std::vector<std::pair<std::string, Attribute>> attributes) {
    return run({"FusedMatMul", 1, "com.microsoft", std::move(attributes)}, {x, y});
  };
  const auto permute = [](const Tensor& t, Ints perm) { return run({"Transpose", 13, "", {{"perm", perm}}}, {t}); };
  const std::int64_t one = 1;
  const Tensor want = run({"MatMul"}, {a, b});
  CHECK(same_bits(fused(permute(a, {0, 2, 1}), b, {{"transA", one}}), want));
  CHECK(same_bits(fused(a, permute(b, {0, 2, 1}), {{"transB", one}}), want));
  CHECK(same_bits(fused(permute(a, {1, 0, 2}), b, {{"transBatchA", one}}), want));
  CHECK(same_bits(fused(a, permute(b, {2, 0, 1}), {{"transBatchB", one}, {"transB", one}}), want));
  CHECK(same_bits(fused(a, b, {{"alpha", 0.5f}}), run({"Mul"}, {want, floats({}, {0.5f})})));
}

TEST_CASE("Gemm scales, transposes and broadcasts C") {
  const Tensor a = random_floats({3, 4}, 10), b = random_floats({4, 5}, 11);
  const V ab = product(values(a), values(b), 3, 5, 4);
  const Tensor c = floats({3, 1}, {1, 2, 3});
  const V y = values(
      run({"Gemm", 13, "", {{"alpha", 2.0f}, {"beta", 4.0f}, {"transA", std::int64_t{1}}, {"transB", std::int64_t{1}}}},
          {transposed(a), transposed(b), c}));
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == 2 * ab[i] + 4.0 * static_cast<double>(i / 5 + 1));
  CHECK(values(run({"Gemm", 13}, {a, b})) == ab);
  CHECK(error_of({"Gemm", 9}, {a, b}) == "Gemm needs 3 inputs, found 2");
  CHECK(error_of({"Gemm", 13}, {a, b, floats({2, 3, 5}, std::vector<float>(30, 0))}).find("does not broadcast") !=
        std::string::npos);
  const V relu = values(run({"FusedGemm", 1, "com.microsoft", {{"activation", std::string("Relu")}}}, {a, b}));
  for (std::size_t i = 0; i < relu.size(); ++i) CHECK(relu[i] == std::max(ab[i], 0.0));
}

TEST_CASE("FusedGemm applies each activation with its attributes, as the operator of that name") {
  const Tensor a = random_floats({3, 4}, 10), b = random_floats({4, 5}, 11);
  const Tensor product = run({"Gemm", 13}, {a, b});
  struct Case {
    const char* name;
    std::vector<std::pair<std::string, Attribute>> attributes;
  };
  const Case cases[] = {{"Tanh", {}},
                        {"Sigmoid", {}},
                        {"Softplus", {}},
                        {"Softsign", {}},
                        {"LeakyRelu", {{"alpha", 0.3f}}},
                        {"Elu", {}},
                        {"Elu", {{"alpha", 0.7f}}},
                        {"Selu", {{"alpha", 1.5f}, {"gamma", 1.25f}}},
                        {"HardSigmoid", {{"alpha", 0.4f}, {"beta", 0.3f}}},
                        {"ThresholdedRelu", {{"alpha", 0.2f}}}};
  for (const Case& each : cases) {
    INFO(each.name);
    std::vector<std::pair<std::string, Attribute>> fused{{"activation", std::string(each.name)}};
    for (const auto& [name, value] : each.attributes) fused.emplace_back("activation_" + name, value);
    const Tensor want = run({each.name, 20, "", each.attributes}, {product});
    CHECK(!same_bits(want, product));
    CHECK(same_bits(run({"FusedGemm", 1, "com.microsoft", fused}, {a, b}), want));
  }
  CHECK(error_of({"FusedGemm", 1, "com.microsoft", {{"activation", std::string("Concat")}}}, {a, b}) ==
        "activation 'Concat' is not supported");
}

TEST_CASE("Einsum contracts, broadcasts and takes diagonals") {
  const Tensor a = random_floats({2, 3, 4}, 12), b = random_floats({2, 4, 5}, 13);
  const auto einsum = [](const char* equation, const std::vector<Tensor>& x) {
    return run({"Einsum", 12, "", {{"equation", std::string(equation)}}}, x);
  };
  const Tensor want = run({"MatMul"}, {a, b});
  CHECK(same_bits(einsum("bij,bjk->bik", {a, b}), want));
  CHECK(same_bits(einsum("...ij,...jk->...ik", {a, b}), want));
  CHECK(same_bits(einsum("...ij, ...jk", {a, b}), want));
  CHECK(same_bits(einsum("bij->bji", {a}), run({"Transpose", 13, "", {{"perm", Ints{0, 2, 1}}}}, {a})));
  CHECK(values(einsum("ii->i", {ints({2, 2}, {1, 2, 3, 4})})) == V{1, 4});
  CHECK(values(einsum("ii", {ints({2, 2}, {1, 2, 3, 4})})) == V{5});
  CHECK(values(einsum("ij,j->i", {ints({2, 2}, {1, 2, 3, 4}), ints({1}, {10})})) == V{30, 70});
  CHECK(values(einsum("i,j,k->", {ints({2}, {1, 2}), ints({2}, {3, 4}), ints({2}, {5, 6})})) == V{3 * 7 * 11});
  CHECK(einsum("ij,jk->ik", {floats({2, 0}, {}), floats({0, 2}, {})}).size() == 4);
  const auto refused = [](const char* equation) {
    return error_of({"Einsum", 12, "", {{"equation", std::string(equation)}}}, {ints({2, 2}, {1, 2, 3, 4})});
  };
  CHECK(refused("ij,jk->ik") == "equation has 2 operands, found 1 inputs");
  CHECK(refused("i1->i") == "equation: unexpected '1'");
  CHECK(refused("ijk->i").find("equation names 3 axes of operand 0") == 0);
  CHECK(refused("ij->k") == "equation: the result names an axis wrongly");
}

TEST_CASE("Conv sums over its window, in groups") {
  // Two groups, stride 2, dilation 2, one column of padding: against the definition.
  const Tensor x = random_floats({2, 4, 9}, 14), w = random_floats({6, 2, 3}, 15);
  const Op conv{
      "Conv", 11, "", {{"group", std::int64_t{2}}, {"strides", Ints{2}}, {"dilations", Ints{2}}, {"pads", Ints{1, 1}}}};
  const Tensor y = run(conv, {x, w, floats({6}, {0, 1, 2, 3, 4, 5})});
  REQUIRE(y.shape() == Shape{2, 6, 4});
  const V vx = values(x), vw = values(w), vy = values(y);
  for (int n = 0; n < 2; ++n) {
    for (int m = 0; m < 6; ++m) {
      for (int p = 0; p < 4; ++p) {
        double want = m;
        for (int c = 0; c < 2; ++c) {
          for (int k = 0; k < 3; ++k) {
            const int at = p * 2 + k * 2 - 1;
            if (at >= 0 && at < 9)
              want += vx[static_cast<std::size_t>((n * 4 + m / 3 * 2 + c) * 9 + at)] *
                      vw[static_cast<std::size_t>((m * 2 + c) * 3 + k)];
          }
        }
        CHECK(vy[static_cast<std::size_t>((n * 6 + m) * 4 + p)] == want);
      }
    }
  }
  CHECK(error_of(conv, {x, random_floats({6, 3, 3}, 1)}).find("do not fit 2 groups") != std::string::npos);
  CHECK(run({"Conv", 11}, {floats({1, 1, 2}, {1, 2}), random_floats({1, 1, 3}, 1)}).shape() == Shape{1, 1, 0});
  // A window of one is a product: more columns than a block.
  const Tensor wide = random_floats({1, 4, 200}, 16), point = random_floats({3, 4, 1}, 17);
  CHECK(values(run({"Conv", 11}, {wide, point})) == product(values(point), values(wide), 3, 200, 4));
}

TEST_CASE("MatMulInteger is exact with any zero points") {
  const Tensor a = random_bytes({2, 70, 40}, 18), b = random_bytes({40, 30}, 19);
  const Tensor a_zero = bytes({}, {100});
  const Tensor b_zero = random_bytes({30}, 20);
  V va = values(a), vb = values(b);
  for (double& x : va) x -= 100;
  for (std::size_t i = 0; i < vb.size(); ++i) vb[i] -= values(b_zero)[i % 30];
  CHECK(values(run({"MatMulInteger", 10}, {a, b, a_zero, b_zero})) == product(va, vb, 140, 30, 40));
  CHECK(values(run({"MatMulInteger", 10}, {a, b})) == product(values(a), values(b), 140, 30, 40));
  CHECK(error_of({"MatMulInteger", 10}, {a, b, bytes({2}, {1, 2})}) ==
        "A's zero point has shape [2], expected a scalar");
  CHECK(error_of({"MatMulInteger", 10}, {a, b, a_zero, bytes({3}, {1, 2, 3})}) ==
        "B's zero point has shape [3], expected a scalar or [30]");
}

TEST_CASE("convolutions of bytes are Conv on what the bytes stand for") {
  const Tensor x = random_bytes({1, 2, 7}, 21), w = random_bytes({3, 2, 3}, 22);
  const auto real = [](const Tensor& q, const Tensor& scale, const Tensor& zero) {
    return run({"DequantizeLinear", 13, "", {{"axis", std::int64_t{0}}}}, {q, scale, zero});
  };
  const Tensor one = floats({}, {1}), ones = floats({3}, {1, 1, 1});
  const Tensor x_zero = bytes({}, {7}), w_zero = bytes({3}, {1, 2, 3});
  const std::vector<std::pair<std::string, Attribute>> pads{{"pads", Ints{1, 1}}};
  const Tensor sums = run({"Conv", 11, "", pads}, {real(x, one, x_zero), real(w, ones, w_zero)});
  CHECK(values(run({"ConvInteger", 10, "", pads}, {x, w, x_zero, w_zero})) == values(sums));

  const Tensor w_scale = floats({3}, {0.5f, 0.25f, 0.125f}), y_scale = floats({}, {128}), y_zero = bytes({}, {128});
  const Tensor bias = Tensor::of<std::int32_t>({3}, {1000, -2000, 3000});
  const Tensor scaled =
      run({"Conv", 11, "", pads}, {real(x, one, x_zero), real(w, w_scale, w_zero), floats({3}, {500, -500, 375})});
  CHECK(same_bits(run({"QLinearConv", 10, "", pads}, {x, one, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias}),
                  run({"QuantizeLinear", 13}, {scaled, y_scale, y_zero})));
}

}  // namespace sesame::test
