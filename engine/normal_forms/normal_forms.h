// Rewrites the many spellings of the same arithmetic into one, by dataflow: what follows (quantization, recognition,
// the steps) then knows one form each.
//
//   sesame.Linear(x [.., K], W, bias?) -> [.., N]   y = x W + bias. W is a constant [K, N], or [N, K] with attribute
//                                                   transposed = 1; bias a constant [N].
//   sesame.QuantizedLinear(x, x_scale, x_zero?, W, W_scale, W_zero?, bias?, y_scale?, y_zero?)
//                                                   of bytes x [.., K]: engine/quantized_linear.h has the formula. W
//                                                   and what follows it are constants; W as above, in bytes; attribute
//                                                   alpha.
//   LayerNormalization(x, gamma, beta)              ai.onnx's, over the last axis
//   Gelu(x)                                         ai.onnx's; attribute approximate = "none" or "tanh"
#pragma once

#include "engine/graph.h"

namespace sesame::engine {

// All of the below, in the order in which they build on each other, and without the nodes that became dead.
void to_normal_forms(Graph& graph);

// float16 becomes float32 inside the graph: constants, what Cast and its kin make, and what follows from those. Inputs
// and outputs keep their types, cast at the border. Returns whether there was any.
bool widen_halves(Graph& graph);

// ONNX Runtime's Attention, MultiHeadAttention, SkipLayerNormalization, EmbedLayerNormalization, BiasGelu, FastGelu,
// QuickGelu, FusedGemm and FusedMatMul become the plain operators that they stand for. Returns whether there were any.
bool take_fusions_apart(Graph& graph);

// Nodes that compute the same from the same inputs become one.
void merge_common_nodes(Graph& graph);

// DequantizeLinear, then Reshape, Transpose, Gather and their kin: the bytes are moved and dequantized after that, and
// not at all where they would only be quantized again.
void move_bytes(Graph& graph);

// MatMul and Gemm of dequantized operands, and the QuantizeLinear that follows, as QLinearMatMul, MatMulIntegerToFloat
// or sesame.QuantizedLinear.
void form_byte_products(Graph& graph);

// QLinearMatMul, QGemm, MatMulIntegerToFloat, DynamicQuantizeMatMul, the projection of QAttention, and MatMulInteger
// with the Cast, Mul and Add that follow it, by a constant matrix. Returns whether there were any.
bool form_quantized_linears(Graph& graph);

// In a graph that quantizes: what works on each element alone moves in front of the Reshape and Transpose that split
// rows into heads, and behind those that merge them, so that attention lies between moves of nothing but bytes.
void part_bytes_from_heads(Graph& graph);

// MatMul or Gemm by a constant matrix, with the Add of a constant vector that follows.
void form_linears(Graph& graph);

// ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add, and TensorFlow's way of writing it. As `steps` they
// become sesame.LayerNormalizationSteps(x, gamma, beta), which rounds as they do, for graphs that quantize what comes
// out: there a last bit counts.
enum class LayerNormForm { fused, steps };
void form_layernorms(Graph& graph, LayerNormForm form = LayerNormForm::fused);

// x * 0.5 * (1 + erf(x / sqrt 2)), in any order of the factors, and the tanh approximation of it.
void form_gelus(Graph& graph);

// An Einsum that is a product of matrices, of two activations or by a constant, becomes MatMul with what Transpose and
// Reshape it takes. Returns whether there was any.
bool multiply_einsums(Graph& graph);

// A Reshape that keeps the last axis moves behind what works on each row alone (products by constant matrices, sums,
// activations, norms), where it meets the Reshape that takes it back: TensorFlow multiplies [batch * length, hidden].
// Returns whether anything changed.
bool sink_row_reshapes(Graph& graph);

// And with a condition that holds at every position becomes an Expand of the other operand: torch asks whether a
// query's position is at least 0. Returns whether there was any.
bool spread_conditions(Graph& graph);

// An Expand moves behind what works on each element alone, where nothing is gained by doing that on more of them: masks
// are then made from what they are given, [batch, length], and spread out last. Returns whether anything changed.
bool sink_expands(Graph& graph);

// A convolution of [batch, channels, length] by a kernel of one position becomes a product of [batch, length, channels]
// by a matrix, or by one for each group; transposes move behind what works on each element alone, and meet. Returns
// whether there was any.
bool multiply_pointwise_convolutions(Graph& graph);

// Attention over heads that are merged with the batch, [batch * heads, length, dim], made of rows with the batch
// second, [length, batch, hidden], as torch's nn.MultiheadAttention has it: products, masks and softmax become those of
// [batch, heads, length, dim], and the Transposes of the rows move behind what works on each row alone, where they
// meet. Returns whether anything changed.
bool part_batched_heads(Graph& graph);

// A Linear whose result is only read in parts (queries, keys and values side by side, in whatever order of parts and
// heads, behind Split, Slice, Gather, Reshape and Transpose) becomes a Linear for each part, with its columns alone.
// Returns whether there was any.
bool part_projections(Graph& graph);

// Elementwise operators and LayerNorms that only lead to each other, with the (de)quantizations around them, become one
// step each (steps/row_program.h), with the bits that they have. For what recognition has left, so after it: they are
// no nodes any more that a pattern knows.
void fuse_rows(Graph& graph);

// Shape(x) of a value inside the graph becomes a selection of the dimensions of a graph input and constants, where x's
// dimensions are known to be those: exporters ask intermediate values for sizes that the inputs have too, and that must
// not keep a fused region alive. Costs nothing once a plan is bound.
void anchor_shapes(Graph& graph);

}  // namespace sesame::engine
