// A float ONNX graph rewritten as an int8 one in a form that ONNX Runtime runs.
//
//   integer_ops  dynamic: DynamicQuantizeLinear of the activation (once for all its readers), MatMulInteger, Cast and
//                Mul by the product of the scales
//   qdq          static: float operators between pairs of QuantizeLinear and DequantizeLinear
//   qoperator    static: QLinearMatMul, com.microsoft's QGemm, QLinearAdd and QLinearMul, with QuantizeLinear and
//                DequantizeLinear where floats begin and end
//
// Activations are u8 with one scale and zero point a tensor: no form can hold a scale a token. Weights are i8,
// symmetric, or u8, asymmetric, with a scale a tensor or an output channel. A Gather of a constant table gathers bytes
// and dequantizes what it gathered, in all forms; its table has one scale.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "engine/quantizer/node_selection.h"
#include "engine/quantizer/observer.h"

namespace sesame::engine {

// Of float values, by their names in the graph.
using Ranges = std::map<std::string, Range>;

enum class OnnxForm { integer_ops, qdq, qoperator };
std::string_view name(OnnxForm form);             // "integerops", "qdq", "qoperator"
OnnxForm parse_onnx_form(std::string_view text);  // throws Error
inline bool needs_ranges(OnnxForm form) { return form != OnnxForm::integer_ops; }

struct OnnxFormOptions {
  OnnxForm form = OnnxForm::integer_ops;
  NodeSelection nodes;
  DType weight_type = DType::i8;  // or u8
  bool per_channel = true;        // weights of MatMul and Gemm
  bool reduce_range = false;      // the same in 7 bits
};

struct OnnxFormReport {
  std::map<std::string, int> quantized;  // nodes by operator, as the float graph had them
  std::vector<std::string> notes;        // a line each: what was selected and stayed in floats, and why
};

// Names of the operators that a form can quantize.
const std::vector<std::string>& quantizable_operators();

// The names of the values whose ranges a static form needs; none for integer_ops. The graph as below.
std::vector<std::string> values_to_calibrate(const Graph& graph, const OnnxFormOptions& options);

// Rewrites `graph`: as read from a file, its constants folded, in topological order. Inputs and outputs keep their
// names and types. A selected node is left in floats, with a note, where the form has nothing for it: a MatMul of two
// activations in integer_ops, a value without a range in the static ones, a Gemm that scales or transposes its left
// operand, more inputs than an int32 sum is exact for. Two kinds of Add stay as they are because a scale a tensor loses
// them: one that adds an attention mask (numbers of -10,000 and beyond beside scores of a few units), and one under a
// square root (a variance that is rounded to 0 is divided by).
// Throws Error: an opset that does not have the form's operators, weights with NaN or infinity, an invalid expression.
OnnxFormReport to_onnx_form(Graph& graph, const OnnxFormOptions& options, Ranges ranges = {});

}  // namespace sesame::engine
