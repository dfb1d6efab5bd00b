// ONNX Runtime's attention and embedding operators, against compositions of ONNX's.
#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/support/run_operator.h"

namespace sesame::test {

using namespace engine;
using V = std::vector<double>;

namespace {

constexpr std::int64_t kHeads = 2;

Op microsoft(const char* name, std::vector<std::pair<std::string, Attribute>> attributes, std::size_t outputs = 1) {
  return {name, 1, "com.microsoft", std::move(attributes), outputs};
}

Op attention(std::size_t outputs = 1) { return microsoft("Attention", {{"num_heads", kHeads}}, outputs); }
Op multi_head(std::size_t outputs = 1) { return microsoft("MultiHeadAttention", {{"num_heads", kHeads}}, outputs); }

Tensor int32s(Shape shape, std::vector<std::int32_t> values) {
  return Tensor::of<std::int32_t>(std::move(shape), values);
}

Tensor reshape(const Tensor& t, Ints shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  return run({"Reshape"}, {t, ints({rank}, shape)});
}
Tensor permute(const Tensor& t, Ints perm) { return run({"Transpose", 13, "", {{"perm", perm}}}, {t}); }
Tensor add(const Tensor& a, const Tensor& b) { return run({"Add"}, {a, b}); }
std::vector<Tensor> split(const Tensor& t, std::size_t parts) {
  Op op{"Split", 13, "", {{"axis", std::int64_t{-1}}}};
  op.outputs = parts;
  return run_operator(op, {t});
}

// [batch, rows, heads * dim] as [batch, heads, rows, dim].
Tensor heads_of(const Tensor& t) { return permute(reshape(t, {t.dim(0), t.dim(1), kHeads, -1}), {0, 2, 1, 3}); }

// softmax(q k^T / sqrt(dim) + bias) v, operator by operator; bias broadcasts to [batch, heads, queries, keys].
Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias) {
  const Tensor hq = heads_of(q), hk = heads_of(k), hv = heads_of(v);
  const float scale = 1 / std::sqrt(static_cast<float>(hq.dim(3)));
  Tensor scores = run({"Mul"}, {run({"MatMul"}, {hq, permute(hk, {0, 1, 3, 2})}), floats({}, {scale})});
  if (bias) scores = add(scores, bias);
  const Tensor context = run({"MatMul"}, {run({"Softmax", 13}, {scores}), hv});
  return reshape(permute(context, {0, 2, 1, 3}), {q.dim(0), q.dim(1), -1});
}

void check_near(const Tensor& got, const Tensor& want, double tolerance = 2e-6) {
  REQUIRE(got.shape() == want.shape());
  const V a = values(got), b = values(want);
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(std::fabs(a[i] - b[i]) <= tolerance);
}

struct Problem {
  Tensor x = random_floats({2, 5, 12}, 1), w = random_floats({12, 24}, 2), b = random_floats({24}, 3);
  std::vector<Tensor> qkv = split(add(run({"MatMul"}, {x, w}), b), 3);
};

}  // namespace

TEST_CASE("Attention is a projection and softmax(q k) v") {
  const Problem p;
  check_near(run(attention(), {p.x, p.w, p.b}), composed(p.qkv[0], p.qkv[1], p.qkv[2], Tensor()));
  CHECK(error_of(attention(), {p.x, random_floats({11, 24}, 1)}).find("weights of shape [11, 24]") == 0);
  CHECK(error_of(attention(), {p.x, random_floats({12, 9}, 1)}) == "3 features do not divide into 2 heads");
  CHECK(error_of(attention(), {p.x, p.w, p.b, int32s({3}, {1, 1, 1})}).find("a mask of shape [3]") == 0);
}

TEST_CASE("Attention's masks say the same in every form") {
  const Problem p;
  const float low = -10000;
  const Tensor bias = floats({2, 1, 1, 5}, {0, 0, 0, low, low, low, 0, 0, 0, 0});
  const Tensor want = composed(p.qkv[0], p.qkv[1], p.qkv[2], bias);
  const auto masked = [&](const Tensor& mask) { return run(attention(), {p.x, p.w, p.b, mask}); };
  check_near(masked(int32s({2, 5}, {1, 1, 1, 0, 0, 0, 1, 1, 1, 1})), want);
  check_near(masked(int32s({4}, {3, 5, 0, 1})), want);
  std::vector<std::int32_t> full, square(2 * 6 * 6, 0);
  for (int b = 0; b < 2; ++b) {
    for (int i = 0; i < 5; ++i) {
      for (int j = 0; j < 5; ++j) {
        full.push_back(b == 0 ? j < 3 : j > 0);
        square[static_cast<std::size_t>((b * 6 + i) * 6 + j)] = full.back();
      }
    }
  }
  check_near(masked(int32s({2, 5, 5}, full)), want);
  check_near(masked(int32s({2, 1, 6, 6}, square)), want);
  const Tensor ends = floats({2, 1, 1, 5}, {0, 0, 0, low, low, 0, 0, 0, 0, 0});
  check_near(masked(int32s({2}, {3, 5})), composed(p.qkv[0], p.qkv[1], p.qkv[2], ends));
}

TEST_CASE("Attention adds a bias and looks back only when causal") {
  const Problem p;
  const Tensor bias = random_floats({1, 2, 5, 5}, 4);
  check_near(run(attention(), {p.x, p.w, p.b, Tensor(), Tensor(), bias}), composed(p.qkv[0], p.qkv[1], p.qkv[2], bias));
  std::vector<float> triangle;
  for (int i = 0; i < 25; ++i) triangle.push_back(i % 5 <= i / 5 ? 0.0f : -10000.0f);
  const Op causal = microsoft("Attention", {{"num_heads", kHeads}, {"unidirectional", std::int64_t{1}}});
  check_near(run(causal, {p.x, p.w, p.b}), composed(p.qkv[0], p.qkv[1], p.qkv[2], floats({1, 1, 5, 5}, triangle)));
}

TEST_CASE("A causal row whose keys are all masked still looks back only") {
  // What the mask forbids gets its filter, what lies ahead the lowest number: ONNX Runtime's answer.
  const Problem p;
  const float low = std::numeric_limits<float>::lowest();
  for (const float filter : {-10000.0f, -5.0f}) {
    const Op causal = microsoft(
        "Attention", {{"num_heads", kHeads}, {"unidirectional", std::int64_t{1}}, {"mask_filter_value", filter}});
    std::vector<float> bias;
    for (int i = 0; i < 50; ++i) {
      const int query = i / 5 % 5, key = i % 5;
      const bool masked = i < 25 ? key < 2 : true;
      bias.push_back(key > query ? low : masked ? filter : 0.0f);
    }
    const Tensor want = composed(p.qkv[0], p.qkv[1], p.qkv[2], floats({2, 1, 5, 5}, bias));
    check_near(run(causal, {p.x, p.w, p.b, int32s({2, 5}, {0, 0, 1, 1, 1, 0, 0, 0, 0, 0})}), want);
    check_near(run(causal, {p.x, p.w, p.b, int32s({4}, {5, 0, 2, 0})}), want);
  }
}

TEST_CASE("Attention goes on from a past") {
  // A causal pass over five tokens, or over three and then two with their state.
  const Problem p;
  const Op causal = microsoft("Attention", {{"num_heads", kHeads}, {"unidirectional", std::int64_t{1}}}, 2);
  const auto whole = run_operator(causal, {p.x, p.w, p.b});
  Op cut{"Split", 13, "", {{"axis", std::int64_t{1}}}, 2};
  const auto pieces = run_operator(cut, {p.x, ints({2}, {3, 2})});
  const auto first = run_operator(causal, {pieces[0], p.w, p.b});
  const auto second = run_operator(causal, {pieces[1], p.w, p.b, Tensor(), first[1]});
  CHECK(same_bits(second[1], whole[1]));
  check_near(run({"Concat", 13, "", {{"axis", std::int64_t{1}}}}, {first[0], second[0]}), whole[0]);
}

TEST_CASE("MultiHeadAttention takes every layout") {
  const Problem p;
  const Tensor q = p.qkv[0], k = p.qkv[1], v = p.qkv[2];
  const Tensor want = composed(q, k, v, Tensor());
  check_near(run(multi_head(), {q, k, v}), want);
  check_near(run(multi_head(), {q, heads_of(k), heads_of(v)}), want);
  const auto in_heads = [](const Tensor& t) { return reshape(t, {2, 5, kHeads, 1, 4}); };
  const Op join{"Concat", 13, "", {{"axis", std::int64_t{3}}}};
  check_near(run(multi_head(), {q, run(join, {in_heads(k), in_heads(v)})}), want);
  check_near(run(multi_head(), {run(join, {in_heads(q), in_heads(k), in_heads(v)})}), want);
  // Biases of the projection, given apart.
  const auto raw = split(run({"MatMul"}, {p.x, p.w}), 3);
  check_near(run(multi_head(), {raw[0], raw[1], raw[2], p.b}), want);
  check_near(run(multi_head(), {q, k, v, Tensor(), int32s({2, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1})}), want);
  CHECK(error_of(multi_head(), {q, k}) == "a key without a value");
}

TEST_CASE("MultiHeadAttention with values of another width, other keys and a state") {
  const Tensor q = random_floats({1, 3, 8}, 5), k = random_floats({1, 6, 8}, 6), v = random_floats({1, 6, 20}, 7);
  const auto y = run_operator(multi_head(3), {q, k, v});
  check_near(y[0], composed(q, k, v, Tensor()));
  CHECK(same_bits(y[1], heads_of(k)));
  CHECK(same_bits(y[2], heads_of(v)));
  Op cut{"Split", 13, "", {{"axis", std::int64_t{1}}}, 2};
  const auto keys = run_operator(cut, {k, ints({2}, {4, 2})}), rows = run_operator(cut, {v, ints({2}, {4, 2})});
  const auto later = run_operator(
      multi_head(3), {q, keys[1], rows[1], Tensor(), Tensor(), Tensor(), heads_of(keys[0]), heads_of(rows[0])});
  CHECK(same_bits(later[1], y[1]));
  CHECK(same_bits(later[0], y[0]));
}

TEST_CASE("attention in float16 is float32's, rounded") {
  const Problem p;
  const auto half = [](const Tensor& t) { return run({"Cast", 13, "", {{"to", std::int64_t{10}}}}, {t}); };
  check_near(run(attention(), {half(p.x), half(p.w), half(p.b)}), run(attention(), {p.x, p.w, p.b}), 2e-3);
}

TEST_CASE("QAttention is Attention on the dequantized projection") {
  const Tensor x = random_bytes({2, 5, 12}, 8), w = random_bytes({12, 24}, 9), b = random_floats({24}, 10);
  const Tensor sx = floats({}, {1.0f / 256}), sw = floats({}, {1.0f / 128}), zx = bytes({}, {128}),
               zw = bytes({}, {120});
  const auto real = [](const Tensor& q, const Tensor& s, const Tensor& z) {
    return run({"DequantizeLinear", 13}, {q, s, z});
  };
  const Tensor mask = int32s({2}, {4, 5});
  check_near(run(microsoft("QAttention", {{"num_heads", kHeads}}), {x, w, b, sx, sw, mask, zx, zw}),
             run(attention(), {real(x, sx, zx), real(w, sw, zw), b, mask}));
}

TEST_CASE("EmbedLayerNormalization is three lookups, a sum and a LayerNormalization") {
  const Tensor ids = int32s({2, 3}, {1, 0, 3, 2, 2, 1}), segments = int32s({2, 3}, {0, 1, 1, 0, 0, 1});
  const Tensor words = random_floats({4, 16}, 11), positions = random_floats({3, 16}, 12),
               types = random_floats({2, 16}, 13);
  const Tensor gamma = random_floats({16}, 14), beta = random_floats({16}, 15),
               mask = int32s({2, 3}, {1, 1, 0, 1, 1, 1});
  const Op op = microsoft("EmbedLayerNormalization", {{"epsilon", 1e-5f}}, 3);
  const auto y = run_operator(op, {ids, segments, words, positions, types, gamma, beta, mask});
  const Op gather{"Gather", 13};
  const Tensor sum = add(add(run(gather, {words, ids}), positions), run(gather, {types, segments}));
  CHECK(same_bits(y[2], sum));
  CHECK(same_bits(y[0], run({"LayerNormalization", 17}, {sum, gamma, beta})));
  CHECK(values(y[1]) == V{2, 3});
  CHECK(error_of(op, {int32s({1, 1}, {4}), Tensor(), words, positions, Tensor(), gamma, beta}) ==
        "index 4 is out of range [-4, 4)");
  CHECK(error_of(op, {int32s({1, 4}, {0, 0, 0, 0}), Tensor(), words, positions, Tensor(), gamma, beta}) ==
        "index 3 is out of range [-3, 3)");

  // The quantized form with tables of bytes.
  const Tensor qw = random_bytes({4, 16}, 16), qp = random_bytes({3, 16}, 17), qg = random_bytes({16}, 18),
               qb = random_bytes({16}, 19);
  const Tensor s = floats({}, {0.01f}), z = bytes({}, {100});
  const auto real = [&](const Tensor& q) { return run({"DequantizeLinear", 13}, {q, s, z}); };
  const Op quantized = microsoft("QEmbedLayerNormalization", {{"epsilon", 1e-5f}}, 2);
  const Tensor none;
  const auto got = run_operator(quantized, {ids, none, qw, qp, none, qg, qb, none, s, s, none, s, s, z, z, none, z, z});
  check_near(got[0], run_operator(op, {ids, none, real(qw), real(qp), none, real(qg), real(qb)})[0], 1e-5);
}

}  // namespace sesame::test
