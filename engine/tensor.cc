#include "engine/tensor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "engine/memory.h"
#include "sesame/error.h"

namespace sesame::engine {

std::size_t byte_size(DType type) {
  return visit(type, [](auto t) { return sizeof(t); });
}

std::string_view name(DType type) {
  switch (type) {
    case DType::f32:
      return "float";
    case DType::f64:
      return "double";
    case DType::f16:
      return "float16";
    case DType::i8:
      return "int8";
    case DType::u8:
      return "uint8";
    case DType::i32:
      return "int32";
    case DType::i64:
      return "int64";
    case DType::boolean:
      break;
  }
  return "bool";
}

float to_float(Half h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (h.bits >> 10) & 0x1Fu;
  const std::uint32_t mantissa = h.bits & 0x3FFu;
  std::uint32_t bits;
  if (exponent == 0x1F) {
    bits = sign | 0x7F800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // a subnormal half is a normal float
    return sign ? -magnitude : magnitude;
  }
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

Half to_half(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return {static_cast<std::uint16_t>(sign | 0x7E00u)};   // NaN
  if (magnitude >= 0x477FF000u) return {static_cast<std::uint16_t>(sign | 0x7C00u)};  // rounds to 2^16 or beyond
  if (magnitude < 0x38800000u) {                                                      // below 2^-14: subnormal or zero
    float scaled;
    std::memcpy(&scaled, &magnitude, sizeof scaled);
    scaled += 0.5f;  // one unit of 0.5 is 2^-24, the subnormal half's: the addition rounds to nearest even for us
    std::uint32_t rounded;
    std::memcpy(&rounded, &scaled, sizeof rounded);
    return {static_cast<std::uint16_t>(sign | (rounded - 0x3F000000u))};
  }
  const std::uint32_t odd = (magnitude >> 13) & 1;
  return {static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xFFFu + odd) >> 13))};
}

std::int64_t element_count(const Shape& shape) {
  // A zero anywhere makes the tensor empty, whatever the other dimensions claim; they must still not be negative.
  std::int64_t count = 1;
  bool overflow = false;
  for (std::int64_t d : shape) {
    if (d < 0) throw Error("shape " + to_string(shape) + " has a negative dimension");
    if (d == 0)
      return std::any_of(shape.begin(), shape.end(), [](auto e) { return e < 0; })
                 ? throw Error("shape " + to_string(shape) + " has a negative dimension")
                 : 0;
    overflow |= __builtin_mul_overflow(count, d, &count);
  }
  // 8 bytes an element must stay addressable.
  if (overflow || count > (std::int64_t{1} << 59))
    throw Error("shape " + to_string(shape) + ": the number of elements overflows");
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      throw Error("shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
    out[out.size() - 1 - i] = da == 1 ? db : da;
  }
  return out;
}

std::size_t normalized_axis(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) {
    throw Error("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

Tensor::Tensor(DType type, Shape shape)
    : defined_(true), type_(type), shape_(std::move(shape)), size_(element_count(shape_)) {}

namespace {

Tensor with_memory(DType type, Shape shape, std::shared_ptr<void> (*allocate)(std::size_t bytes)) {
  const Tensor described(type, std::move(shape));
  auto memory = allocate(described.bytes());
  const void* data = memory.get();
  return Tensor::view(type, described.shape(), data, std::move(memory));
}

}  // namespace

Tensor Tensor::allocate(DType type, Shape shape) { return with_memory(type, std::move(shape), allocate_memory); }

Tensor Tensor::allocate_arena(std::size_t bytes) {
  return with_memory(DType::u8, {static_cast<std::int64_t>(bytes)}, engine::allocate_arena);
}

Tensor Tensor::allocate_weights(DType type, Shape shape) {
  return with_memory(type, std::move(shape), engine::allocate_weights);
}

Tensor Tensor::view(DType type, Shape shape, const void* data, std::shared_ptr<const void> owner) {
  Tensor t(type, std::move(shape));
  t.data_ = const_cast<void*>(data);
  t.owner_ = std::move(owner);
  return t;
}

Tensor Tensor::reshaped(Shape shape) const {
  Tensor t = *this;
  t.shape_ = std::move(shape);
  if (element_count(t.shape_) != size_) {
    throw Error("cannot view " + to_string(shape_) + " as " + to_string(t.shape_));
  }
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = allocate(type_, shape_);
  if (bytes() != 0) std::memcpy(t.data_, data_, bytes());
  return t;
}

std::vector<std::int64_t> to_int64s(const Tensor& tensor) {
  if (tensor.type() == DType::i64) {
    const auto s = tensor.span<std::int64_t>();
    return {s.begin(), s.end()};
  }
  if (tensor.type() == DType::i32) {
    const auto s = tensor.span<std::int32_t>();
    return {s.begin(), s.end()};
  }
  throw Error("expected an int32 or int64 tensor, found " + std::string(name(tensor.type())));
}

}  // namespace sesame::engine
