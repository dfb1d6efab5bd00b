// A Linear with its weights packed for the kernels: y = act(x W + b) + residual, in the precision it was packed for.
//
// Layer structs hold Linears and do not know their precision: they ask which form of a row the next Linear reads
// (reads_quantized_rows) and hand rows over in a Rows. int8 arithmetic: per-channel weights, per-row activations, see
// kernels/pack.h and kernels/table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/graph.h"
#include "engine/tensor.h"
#include "kernels/pack.h"
#include "kernels/table.h"

namespace sesame::engine {

enum class LinearPrecision { fp32, int8 };

// Activation rows as some Linear reads them. Only the form that it wants needs to be there.
struct Rows {
  const float* f32 = nullptr;  // [rows][in_features], row stride ld
  std::ptrdiff_t ld = 0;
  const std::uint8_t* u8 = nullptr;  // quantize_row_u8's, row stride ld_u8
  std::ptrdiff_t ld_u8 = 0;
  const float* scale = nullptr;  // [rows]
};

// A weight as a graph holds it: [K, N], or [N, K] when transposed; bias [N] or undefined.
struct LinearWeights {
  Tensor weight;
  Tensor bias;
  bool transposed = false;

  std::size_t in_features() const { return static_cast<std::size_t>(weight.dim(transposed ? 1 : 0)); }
  std::size_t out_features() const { return static_cast<std::size_t>(weight.dim(transposed ? 0 : 1)); }
};

// Of a sesame.Linear node. Throws Error when weight or bias is not what a Linear needs.
LinearWeights linear_weights(const Graph& graph, const Node& node);

class Linear {
 public:
  Linear() = default;
  // Throws Error when int8 is asked for and a weight is not finite or the sums could overflow (kernels::kMaxK).
  Linear(const LinearWeights& weights, LinearPrecision precision);

  // Several Linears of the same input side by side: part i's columns start at part_offset(i), a multiple of 16, so that
  // parts can also be run on their own.
  Linear(std::span<const LinearWeights> parts, LinearPrecision precision);

  std::size_t in_features() const { return in_; }
  // Columns of the result, with the gaps between parts.
  std::size_t out_features() const { return out_; }
  std::size_t part_offset(std::size_t part) const { return part_offsets_[part]; }
  LinearPrecision precision() const { return precision_; }
  bool reads_quantized_rows() const { return precision_ == LinearPrecision::int8; }
  std::size_t weight_bytes() const { return packed_.bytes() + scale_.bytes() + acc_init_.bytes() + bias_.bytes(); }
  explicit operator bool() const { return in_ != 0; }
  // Copies share their weights.
  bool shares_weights_with(const Linear& other) const { return packed_.raw() == other.packed_.raw(); }

  // c[m][n - begin] = act(x W + b)[m][n] + residual[m][n - begin] for columns n in [begin, end); begin is a multiple
  // of 16. The epilogue's bias is the Linear's own and need not be set.
  void run(const kernels::Table& kernels, const Rows& rows, std::size_t count, std::size_t begin, std::size_t end,
           kernels::Epilogue epilogue, float* c, std::ptrdiff_t ldc) const;
  void run(const kernels::Table& kernels, const Rows& rows, std::size_t count, const kernels::Epilogue& epilogue,
           float* c, std::ptrdiff_t ldc) const {
    run(kernels, rows, count, 0, out_, epilogue, c, ldc);
  }

  // Bytes between quantized rows that this Linear reads.
  static std::size_t quantized_row_bytes(std::size_t features) { return kernels::round_up(features, 64); }

 private:
  void pack_fp32(std::span<const LinearWeights> parts);
  void pack_int8(std::span<const LinearWeights> parts);

  std::size_t in_ = 0;
  std::size_t out_ = 0;
  LinearPrecision precision_ = LinearPrecision::fp32;
  std::vector<std::size_t> part_offsets_;
  Tensor packed_;    // kernels/pack.h
  Tensor bias_;      // [round_up(out, 16)], 0 where a part has none
  Tensor scale_;     // int8 only, [round_up(out, 16)]
  Tensor acc_init_;  // int8 only, -128 * column sums
};

}  // namespace sesame::engine
