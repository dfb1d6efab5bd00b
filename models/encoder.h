// A post-LayerNorm BERT encoder as layer structs.
//
// Shapes: R rows (real tokens of all sequences, see ragged.h), hidden = heads * head_dim.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/linear.h"
#include "engine/row_table.h"
#include "engine/tensor.h"
#include "kernels/table.h"
#include "models/ragged.h"
#include "models/relative_attention.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct LayerNorm {
  engine::Tensor gamma;  // [hidden]
  engine::Tensor beta;   // [hidden]
  float epsilon = 0;
};

// Rows of the hidden state before the first layer: the sum of one row a table, in this order, normalised.
struct Embeddings {
  // [rows, hidden], in the mapped file; undefined: the input is dense already, [batch or 1, length, hidden].
  std::vector<engine::RowTable> tables;
  LayerNorm norm;  // gamma undefined: none
  // The row is multiplied by a number that comes with the position: DeBERTa clears what its mask drops.
  bool scaled = false;
};

// Attention Is All You Need, figure 1, left half, with BERT's names.
struct EncoderLayer {
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  float score_scale = 0;                                    // 1 / sqrt(head_dim), as the graph has it
  AttentionPrecision attention = AttentionPrecision::fp32;  // not automatic
  RelativeAttention relative;                               // of positions; most have none
  engine::Linear query_key_value;                           // (R, hidden) -> (R, 3 parts of hidden)
  engine::Linear attn_out;                                  // (R, hidden) -> (R, hidden)
  LayerNorm attn_norm;                                      // of attn_out + residual
  engine::Linear ffn_in;                                    // (R, hidden) -> (R, ffn)
  kernels::Activation activation = kernels::Activation::gelu_erf;
  engine::Linear ffn_out;  // (R, ffn) -> (R, hidden)
  LayerNorm ffn_norm;      // of ffn_out + residual
};

struct Encoder {
  Embeddings embeddings;
  std::vector<EncoderLayer> layers;
  std::size_t hidden = 0;
  Mask mask;
  // Only position 0 of each sequence is read: the last layer computes no other row, the output is [batch, hidden].
  bool first_row_only = false;

  std::size_t weight_bytes() const;
  // One line a struct, for people: "EncoderLayer x 6: hidden 768, heads 12, ffn 3072, int8".
  std::vector<std::string> describe() const;
};

// ", relative positions (..)" with the terms that there are, or nothing.
std::string describe(const RelativeAttention& relative);

// Multiply-adds of linears and attention in one pass over sequences of these lengths.
double multiply_adds(const Encoder& encoder, std::span<const std::size_t> lengths);

// y[n] = the LayerNorm of x[n]; y may be x.
inline void normalize(const kernels::Table& kernels, const LayerNorm& norm, const float* x, std::size_t n, float* y) {
  kernels.layernorm_row(x, norm.gamma.data<float>(), norm.beta.data<float>(), norm.epsilon, n, y);
}

// The same of rows m in [begin, end), n apart at x, into out(m); then done(m, out(m)). Two at a time, which is faster.
template <class Out, class Done>
void normalize_rows(const kernels::Table& kernels, const LayerNorm& norm, const float* x, std::size_t n,
                    std::size_t begin, std::size_t end, Out out, Done done) {
  for (std::size_t m = begin; m < end; m += 2) {
    float* y = out(m);
    if (m + 1 == end) {
      normalize(kernels, norm, x + m * n, n, y);
      return done(m, y);
    }
    float* next = out(m + 1);
    kernels.layernorm_two_rows(x + m * n, static_cast<std::ptrdiff_t>(n), norm.gamma.data<float>(),
                               norm.beta.data<float>(), norm.epsilon, n, y, next - y);
    done(m, y);
    done(m + 1, next);
  }
}

}  // namespace sesame::models
