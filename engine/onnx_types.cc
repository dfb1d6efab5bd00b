#include "engine/onnx_types.h"

#include <iterator>
#include <string_view>

namespace sesame::engine {

namespace {

constexpr std::string_view kNames[] = {
    "undefined", "float",        "uint8",          "int8",       "uint16",         "int16",  "int32",     "int64",
    "string",    "bool",         "float16",        "double",     "uint32",         "uint64", "complex64", "complex128",
    "bfloat16",  "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4",  "int4",      "float4e2m1"};

bool is_named(std::int64_t number) { return number >= 0 && number < static_cast<std::int64_t>(std::size(kNames)); }

}  // namespace

std::optional<DType> dtype_from_onnx(std::int64_t number) {
  switch (number) {
    case 1:
      return DType::f32;
    case 2:
      return DType::u8;
    case 3:
      return DType::i8;
    case 6:
      return DType::i32;
    case 7:
      return DType::i64;
    case 9:
      return DType::boolean;
    case 10:
      return DType::f16;
    case 11:
      return DType::f64;
    default:
      return std::nullopt;
  }
}

std::int32_t onnx_number(DType type) {
  switch (type) {
    case DType::f32:
      return 1;
    case DType::u8:
      return 2;
    case DType::i8:
      return 3;
    case DType::i32:
      return 6;
    case DType::i64:
      return 7;
    case DType::f16:
      return 10;
    case DType::f64:
      return 11;
    case DType::boolean:
      break;
  }
  return 9;
}

std::string onnx_type_name(std::int64_t number) {
  return is_named(number) ? std::string(kNames[number]) : std::to_string(number);
}

std::string unsupported_element_type(std::int64_t number) {
  return (is_named(number) ? "unsupported element type " : "unknown element type ") + onnx_type_name(number);
}

}  // namespace sesame::engine
