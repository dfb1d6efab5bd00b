// The grid of Hugging Face optimum's study of DistilBERT on SST-2: dynamic and static quantization, the operators that
// are quantized, the parts left out, scales a tensor or a channel, 7 or 8 bits.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/studies/study.h"
#include "engine/quantizer/onnx_forms/onnx_forms.h"

namespace sesame::bench {

// A published row of ONNX Runtime: its cells, and what they mean here.
struct OptimumRow {
  std::vector<std::string> published;  // the 15 cells
  bool is_quantized = false;
  engine::OnnxFormOptions form;  // dynamic: integer_ops; static: qdq
};

// All rows of the study that ONNX Runtime ran, in its order. Heads are quantized like the rest; in the dynamic rows
// MatMul includes Gemm, as in ONNX Runtime's quantizer.
std::vector<OptimumRow> optimum_rows();

// The columns: the study's own, then "quantized" (nodes by operator) and "machine".
std::vector<std::string> optimum_columns();

StudyReport optimum_study(const StudyOptions& options, const Machine& machine,
                          const Progress& progress);

}  // namespace sesame::bench
