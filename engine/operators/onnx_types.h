// ONNX's numbers for element types, as attributes hold them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/tensor.h"
#include "sesame/error.h"

namespace sesame::engine {

// The element type with that number in TensorProto.DataType. Throws Error for one that the engine does not hold.
inline DType element_type(std::int64_t number) {
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
      throw Error("unsupported element type " + std::to_string(number));
  }
}

}  // namespace sesame::engine
