// ONNX Runtime's EmbedLayerNormalization: the sum of word, position and segment embeddings, normalized; and its
// quantized form, whose tables and parameters are bytes with one scale and zero point each.
#include <algorithm>

#include "engine/operators/normalization.h"
#include "engine/operators/quantization.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

std::int64_t id_at(const Tensor& ids, std::int64_t i) {
  return ids.type() == DType::i32 ? std::int64_t{ids.data<std::int32_t>()[i]} : ids.data<std::int64_t>()[i];
}

// How a table's elements become floats: as they are, or (q - zero point) * scale.
struct Table {
  const Tensor* values = nullptr;
  float scale = 1;
  std::int32_t zero_point = 0;

  explicit operator bool() const { return values != nullptr; }
  float at(std::int64_t i) const {
    switch (values->type()) {
      case DType::f32:
        return values->data<float>()[i];
      case DType::f16:
        return to_float(values->data<Half>()[i]);
      case DType::u8:
        return static_cast<float>(values->data<std::uint8_t>()[i] - zero_point) * scale;
      default:
        return static_cast<float>(values->data<std::int8_t>()[i] - zero_point) * scale;
    }
  }
  void add_row(std::int64_t row, std::int64_t n, float* sum) const {
    for (std::int64_t i = 0; i < n; ++i) sum[i] += at(row * n + i);
  }
};

// The inputs of both forms; scales and zero points follow the quantized form's mask, in the order of the tables.
constexpr std::size_t kIds = 0, kSegmentIds = 1, kWord = 2, kPosition = 3, kSegment = 4, kGamma = 5, kBeta = 6;
constexpr std::size_t kMask = 7, kPositionIds = 8;  // the plain form's
constexpr std::size_t kScales = 8, kZeroPoints = 13;
constexpr std::size_t kTables = 5;

template <bool kQuantized>
class EmbedLayerNormalization : public Operator {
 public:
  EmbedLayerNormalization(const Graph& graph, const Node& node) : epsilon_(node.attributes.real("epsilon", 1e-12f)) {
    check_inputs(node, 1, kQuantized ? 18 : 9);
    for (std::size_t i : {kIds, kWord, kPosition, kGamma, kBeta}) {
      if (node.input(i) == kNoValue) throw Error("input " + std::to_string(i) + " is missing");
    }
    if ((node.input(kSegmentIds) == kNoValue) != (node.input(kSegment) == kNoValue)) {
      throw Error("segment ids and segment embedding come together or not at all");
    }
    for (std::size_t i = 0; kQuantized && i < kTables; ++i) {
      if (node.input(kWord + i) == kNoValue) continue;
      if (node.input(kScales + i) == kNoValue || node.input(kZeroPoints + i) == kNoValue) {
        throw Error("input " + std::to_string(kWord + i) + " has no scale or no zero point");
      }
      check_constant_scales(graph, node, kScales + i);
    }
  }

  void infer(Inference& io) const override {
    const Shape& ids = io.input(kIds).shape();
    check_type(io, kIds, IndexTypes{});
    if (ids.size() != 2) throw Error("ids have shape " + to_string(ids) + ", expected [batch, sequence]");
    if (io.has(kSegmentIds)) check_ids(io, kSegmentIds, ids);
    if (io.has(kMask)) check_ids(io, kMask, ids);
    if (!kQuantized && io.has(kPositionIds)) {
      check_type(io, kPositionIds, IndexTypes{});
      if (io.input(kPositionIds).shape() != Shape{1, ids[1]}) check_ids(io, kPositionIds, ids);
    }
    if (io.input(kWord).rank() != 2) throw Error("the word embedding is no matrix");
    const std::int64_t hidden = io.input(kWord).dim(1);
    for (std::size_t i = kWord; i < kWord + kTables; ++i) {
      if (io.has(i)) check_table(io, i, hidden);
    }
    const DType type = kQuantized ? DType::f32 : io.input(kWord).type();
    io.output(0, type, {ids[0], ids[1], hidden});
    io.output(1, DType::i32, {ids[0]});
    io.output(2, type, {ids[0], ids[1], hidden});
  }

  void compute(const Execution& e) const override {
    const Tensor& ids = e.inputs[kIds];
    const std::int64_t sequence = ids.dim(1);
    const Table word = table(e, kWord), position = table(e, kPosition), segment = table(e, kSegment);
    const std::int64_t hidden = e.inputs[kWord].dim(1);
    if (wants(e, 1)) count_mask(e);
    const std::vector<float> gamma = values(table(e, kGamma), hidden), beta = values(table(e, kBeta), hidden);
    std::vector<float> sum(static_cast<std::size_t>(hidden));
    for (std::int64_t i = 0; i < ids.size() && hidden != 0; ++i) {
      std::fill(sum.begin(), sum.end(), 0.0f);
      word.add_row(checked_index(id_at(ids, i), e.inputs[kWord].dim(0)), hidden, sum.data());
      position.add_row(checked_index(position_of(e, i, sequence), e.inputs[kPosition].dim(0)), hidden, sum.data());
      if (segment) {
        const std::int64_t id = id_at(e.inputs[kSegmentIds], i);
        segment.add_row(checked_index(id, e.inputs[kSegment].dim(0)), hidden, sum.data());
      }
      if (wants(e, 2)) write(e.outputs[2], i, sum);
      e.kernels->layernorm_row(sum.data(), gamma.data(), beta.data(), epsilon_, sum.size(), sum.data());
      if (wants(e, 0)) write(e.outputs[0], i, sum);
    }
  }

 private:
  static void check_ids(const Inference& io, std::size_t i, const Shape& shape) {
    check_type(io, i, IndexTypes{});
    check_shape("input " + std::to_string(i), io.input(i).shape(), shape);
  }

  static void check_table(const Inference& io, std::size_t i, std::int64_t hidden) {
    const Tensor& t = io.input(i);
    if (kQuantized) {
      check_type(io, i, ByteTypes{});
      const std::size_t which = i - kWord;
      check_scale_shape("input " + std::to_string(kScales + which), io.input(kScales + which), 1);
      check_zero_point("input " + std::to_string(kZeroPoints + which), io.input(kZeroPoints + which), t.type(), 1);
    } else {
      check_type(io, i, Types<float, Half>{});
      check_same_type(io, kWord, i);
    }
    const bool is_row = i == kGamma || i == kBeta;
    if (t.rank() != (is_row ? 1u : 2u) || t.shape().back() != hidden) {
      throw Error("input " + std::to_string(i) + " has shape " + to_string(t.shape()) + ", expected " +
                  std::to_string(hidden) + " columns");
    }
  }

  static Table table(const Execution& e, std::size_t i) {
    if (!e.has(i)) return {};
    Table t{&e.inputs[i]};
    if (kQuantized) {
      const std::size_t which = i - kWord;
      check_scales(e.inputs[kScales + which]);
      t.scale = scale_at(e.inputs[kScales + which], 0);
      t.zero_point = zero_point_at(e.inputs[kZeroPoints + which], 0);
    }
    return t;
  }

  static std::vector<float> values(const Table& table, std::int64_t n) {
    std::vector<float> row(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) row[static_cast<std::size_t>(i)] = table.at(i);
    return row;
  }

  static std::int64_t position_of(const Execution& e, std::int64_t i, std::int64_t sequence) {
    if (kQuantized || !e.has(kPositionIds)) return i % sequence;
    return id_at(e.inputs[kPositionIds], e.inputs[kPositionIds].dim(0) == 1 ? i % sequence : i);
  }

  // How many ones the mask has in each row; 0 without a mask.
  static void count_mask(const Execution& e) {
    const std::int64_t sequence = e.inputs[kIds].dim(1);
    for (std::int64_t b = 0; b < e.outputs[1].size(); ++b) {
      std::int32_t count = 0;
      for (std::int64_t s = 0; s < sequence && e.has(kMask); ++s) {
        count += id_at(e.inputs[kMask], b * sequence + s) == 1;
      }
      e.outputs[1].data<std::int32_t>()[b] = count;
    }
  }

  static void write(const Tensor& y, std::int64_t row, const std::vector<float>& values) {
    visit_in(Types<float, Half>{}, y.type(), [&](auto t) {
      using T = decltype(t);
      std::transform(values.begin(), values.end(), y.data<T>() + row * static_cast<std::int64_t>(values.size()),
                     [](float v) { return store<T>(v); });
    });
  }

  float epsilon_;
};

}  // namespace

void register_microsoft_embedding(Registry& r) {
  r.add(kMicrosoft, "EmbedLayerNormalization", 1, make<EmbedLayerNormalization<false>>());
  r.add(kMicrosoft, "QEmbedLayerNormalization", 1, make<EmbedLayerNormalization<true>>());
}

}  // namespace sesame::engine
