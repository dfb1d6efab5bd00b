#include "models/byte_attention.h"

#include <algorithm>

#include "engine/integer_sums.h"
#include "kernels/pack.h"

namespace sesame::models {

using engine::DType;
using kernels::round_up;

namespace {

constexpr std::size_t kQueries = 64;  // whose scores are made at a time

DType type_of(const ByteGrid& grid) { return grid.range.is_signed ? DType::i8 : DType::u8; }

// Pieces of memory one behind the other.
class Pieces {
 public:
  explicit Pieces(std::byte* memory) : next_(memory) {}
  template <class T>
  T* take(std::size_t count) {
    auto* piece = next_ == nullptr ? nullptr : reinterpret_cast<T*>(next_ + used_);
    used_ += round_up(count * sizeof(T), 64);
    return piece;
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* next_;
  std::size_t used_ = 0;
};

struct Scratch {
  Scratch(std::byte* memory, std::size_t keys, std::size_t head_dim) {
    Pieces pieces(memory);
    const std::size_t wide = round_up(std::max(keys, head_dim), 64);
    packed_keys = pieces.take<std::byte>(packed_bytes(head_dim, keys));
    packed_values = pieces.take<std::byte>(packed_bytes(keys, head_dim));
    init = pieces.take<std::int32_t>(wide);
    factor = pieces.take<float>(wide);
    sums = pieces.take<std::int32_t>(kQueries * wide);
    stored = pieces.take<std::uint8_t>(kQueries * wide);
    floats = pieces.take<float>(kQueries * wide);
    bytes = pieces.take<std::uint8_t>(kQueries * wide);
    stride = wide;
    size = pieces.used();
  }
  static std::size_t packed_bytes(std::size_t K, std::size_t N) {
    return std::max(engine::PackedBytes::bytes(K, N), kernels::packed_f32_size(K, N) * sizeof(float));
  }

  std::byte *packed_keys, *packed_values;
  std::int32_t* init;
  float* factor;
  std::int32_t* sums;
  std::uint8_t* stored;  // rows of bytes as kernels read them
  float* floats;         // [kQueries][stride] scores
  std::uint8_t* bytes;   // likewise
  std::size_t stride;
  std::size_t size;
};

// Rows times one matrix [K][N], packed once.
class Product {
 public:
  Product(const kernels::Table& kernels, const ScoreProduct& product, std::size_t K, std::size_t N, std::byte* packed,
          const Scratch& scratch)
      : kernels_(kernels),
        p_(product),
        K_(K),
        N_(N),
        packed_(packed),
        scratch_(scratch),
        bytes_(engine::PackedBytes::at(packed, K, N)) {}

  // b[k][n] at k * stride_k + n * stride_n, in elements.
  void pack(const std::byte* b, std::ptrdiff_t stride_k, std::ptrdiff_t stride_n) {
    if (!p_.of_bytes) {
      return kernels::pack_f32(reinterpret_cast<const float*>(b), stride_k, stride_n, K_, N_,
                               reinterpret_cast<float*>(packed_));
    }
    bytes_.pack(type_of(p_.b), b, stride_k, stride_n, p_.b.range.zero_point);
  }

  // `rows` rows from a on, strides in bytes, to floats or bytes as the product says.
  void run(const HeadRows& a, std::size_t rows, const HeadRows& floats, const HeadRows& bytes) const {
    p_.of_bytes ? multiply_bytes(a, rows, floats, bytes) : multiply_floats(a, rows, floats);
  }

 private:
  void multiply_floats(const HeadRows& a, std::size_t rows, const HeadRows& y) const {
    kernels_.gemm_f32({reinterpret_cast<const float*>(a.data),
                       static_cast<std::ptrdiff_t>(a.stride / sizeof(float)),
                       reinterpret_cast<const float*>(packed_),
                       rows,
                       N_,
                       K_,
                       {},
                       reinterpret_cast<float*>(y.data),
                       static_cast<std::ptrdiff_t>(y.stride / sizeof(float))});
  }

  void multiply_bytes(const HeadRows& a, std::size_t rows, const HeadRows& floats, const HeadRows& bytes) const {
    const float product = p_.a.scale * p_.b.scale;
    std::fill_n(scratch_.factor, N_, p_.y ? product / p_.y->scale : product);
    const engine::ByteRows stored = engine::store_rows(type_of(p_.a), a.data, static_cast<std::ptrdiff_t>(a.stride), 1,
                                                       rows, K_, p_.a.range.zero_point, scratch_.stored);
    engine::sum_columns(kernels_, stored, rows, bytes_, 0, N_, nullptr, scratch_.init, scratch_.sums);
    const bool has_zero_points = bytes_.zero[0] != 0;
    for (std::size_t m = 0; m < rows; ++m) {
      const kernels::SumsRow row =
          engine::row_of_sums(kernels_, stored, m, bytes_, 0, N_, has_zero_points, scratch_.factor, scratch_.sums);
      if (p_.y) {
        kernels_.requantize_sums_row(row, N_, p_.y->range,
                                     reinterpret_cast<std::uint8_t*>(bytes.data + m * bytes.stride));
      } else {
        kernels_.scale_sums_row(row, nullptr, N_, reinterpret_cast<float*>(floats.data + m * floats.stride));
      }
    }
  }

  const kernels::Table& kernels_;
  const ScoreProduct& p_;
  std::size_t K_, N_;
  std::byte* packed_;
  const Scratch& scratch_;
  engine::PackedBytes bytes_;
};

// In elements of the product's operands.
std::ptrdiff_t elements(const HeadRows& rows, const ScoreProduct& product) {
  return static_cast<std::ptrdiff_t>(rows.stride / (product.of_bytes ? 1 : sizeof(float)));
}

HeadRows from(const HeadRows& rows, std::size_t first) { return {rows.data + first * rows.stride, rows.stride}; }

}  // namespace

std::size_t byte_attention_scratch(std::size_t keys, std::size_t head_dim) {
  return Scratch(nullptr, keys, head_dim).size;
}

void run(const ByteAttention& attention, const ByteAttentionHead& head) {
  const Scratch scratch(head.scratch, head.keys, head.head_dim);
  Product scores(head.kernels, attention.scores, head.head_dim, head.keys, scratch.packed_keys, scratch);
  scores.pack(head.k.data, 1, elements(head.k, attention.scores));
  Product context(head.kernels, attention.context, head.keys, head.head_dim, scratch.packed_values, scratch);
  context.pack(head.v.data, elements(head.v, attention.context), 1);
  const HeadRows floats{reinterpret_cast<std::byte*>(scratch.floats), scratch.stride * sizeof(float)};
  const HeadRows bytes{reinterpret_cast<std::byte*>(scratch.bytes), scratch.stride};
  const auto softmax = byte_softmax(attention.program, head.keys);
  ScoreRow row = head.scores;
  row.keys = head.keys;
  row.softmax = softmax ? &*softmax : nullptr;
  for (std::size_t first = 0; first < head.queries; first += kQueries) {
    const std::size_t count = std::min(kQueries, head.queries - first);
    scores.run(from(head.q, first), count, floats, bytes);
    for (std::size_t m = 0; m < count; ++m) {
      row.query = head.first_query + first + m;
      row.floats = scratch.floats + m * scratch.stride;
      row.bytes = scratch.bytes + m * scratch.stride;
      run(attention.program, row);
    }
    const HeadRows out = from(head.out, first);
    context.run(attention.context.of_bytes ? bytes : floats, count, out, out);
  }
}

}  // namespace sesame::models
