// ONNX's numbers for element types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/tensor.h"

namespace sesame::engine {

inline constexpr std::int64_t kOnnxString = 8;
inline constexpr std::int64_t kOnnxBfloat16 = 16;

// The element type behind ONNX's number, nothing when we do not support it.
std::optional<DType> dtype_from_onnx(std::int64_t number);
std::int32_t onnx_number(DType type);

// "string", or "77" beyond ONNX's list.
std::string onnx_type_name(std::int64_t number);
// For refusing it: "unsupported element type string", "unknown element type 77".
std::string unsupported_element_type(std::int64_t number);

}  // namespace sesame::engine
