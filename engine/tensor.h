// A typed, shaped block of memory: a weight in the mapped file, a buffer in a plan's arena, or one of its own.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sesame::engine {

// The element types that graphs may hold. float16 is storage only: operators compute it as float32.
enum class DType : std::uint8_t { f32, f64, f16, i8, u8, i32, i64, boolean };

std::size_t byte_size(DType type);
std::string_view name(DType type);  // as ONNX spells it: "float", "int64", "bool"

// IEEE binary16 as stored.
struct Half {
  std::uint16_t bits;
};
float to_float(Half h);
Half to_half(float x);  // round to nearest even, overflow to infinity

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  if constexpr (std::is_same_v<T, Half>) return DType::f16;
  if constexpr (std::is_same_v<T, std::int8_t>) return DType::i8;
  if constexpr (std::is_same_v<T, std::uint8_t>) return DType::u8;
  if constexpr (std::is_same_v<T, std::int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, std::int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
}

// Calls fn(T{}) with the C++ type of `type`.
template <class Fn>
decltype(auto) visit(DType type, Fn&& fn) {
  switch (type) {
    case DType::f32:
      return fn(float{});
    case DType::f64:
      return fn(double{});
    case DType::f16:
      return fn(Half{});
    case DType::i8:
      return fn(std::int8_t{});
    case DType::u8:
      return fn(std::uint8_t{});
    case DType::i32:
      return fn(std::int32_t{});
    case DType::i64:
      return fn(std::int64_t{});
    case DType::boolean:
      break;
  }
  return fn(bool{});
}

using Shape = std::vector<std::int64_t>;

// Product of the dimensions; 1 for a scalar. Throws Error when a dimension is negative or the product overflows.
std::int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "[2, 16, 768]"

// The dimensions of two operands broadcast against each other as ONNX (and NumPy) does. Throws Error when they do not
// fit.
Shape broadcast(const Shape& a, const Shape& b);

// An axis in [-rank, rank) as one in [0, rank). Throws Error outside that.
std::size_t normalized_axis(std::int64_t axis, std::size_t rank);

// Copies share the memory. A tensor may be described only (has_data() false): shape inference works on those.
class Tensor {
 public:
  Tensor() = default;                               // nothing: an input that was left out
  Tensor(DType type, Shape shape);                  // described only
  static Tensor allocate(DType type, Shape shape);  // own memory, 64-byte aligned, uninitialised
  static Tensor allocate_arena(std::size_t bytes);  // u8, as memory.h has it; likewise
  static Tensor allocate_weights(DType type, Shape shape);
  static Tensor view(DType type, Shape shape, const void* data, std::shared_ptr<const void> owner = nullptr);
  template <class T>
  static Tensor of(Shape shape, const std::vector<T>& values);
  template <class T>
  static Tensor scalar(T value) {
    Tensor t = allocate(dtype_of<T>(), {});
    *t.data<T>() = value;
    return t;
  }

  explicit operator bool() const { return defined_; }
  bool has_data() const { return data_ != nullptr; }
  DType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::size_t rank() const { return shape_.size(); }
  std::int64_t dim(std::size_t axis) const { return shape_[axis]; }
  std::int64_t size() const { return size_; }  // elements
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * byte_size(type_); }

  template <class T>
  T* data() const {
    assert(type_ == dtype_of<T>());
    return static_cast<T*>(data_);
  }
  void* raw() const { return data_; }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), static_cast<std::size_t>(size_)};
  }

  // The same memory under another shape of the same number of elements.
  Tensor reshaped(Shape shape) const;
  // A copy with memory of its own.
  Tensor clone() const;

 private:
  bool defined_ = false;
  DType type_ = DType::f32;
  Shape shape_;
  std::int64_t size_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

// The values of an integer tensor (int32 or int64) that has data.
std::vector<std::int64_t> to_int64s(const Tensor& tensor);

template <class T>
Tensor Tensor::of(Shape shape, const std::vector<T>& values) {
  Tensor t = allocate(dtype_of<T>(), std::move(shape));
  assert(static_cast<std::size_t>(t.size()) == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) t.data<T>()[i] = values[i];
  return t;
}

}  // namespace sesame::engine
