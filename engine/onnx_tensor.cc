#include "engine/onnx_tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/onnx_types.h"
#include "engine/onnx_wire.h"
#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::size_t kMaxRank = 64;

// The fields of a TensorProto but for typed data.
struct Header {
  std::string name;
  Shape dims;
  std::int64_t type = 0;
  bool segmented = false;
  std::optional<Bytes> raw;
  std::optional<ExternalData> external;
};

std::uint64_t parse_number(std::string_view key, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error("external data " + std::string(key) + ": expected a number, found '" + printable(text, 40) + "'");
  }
  return value;
}

void read_external_entry(Bytes entry, ExternalData& data) {
  std::string_view key, value;
  WireReader reader(entry);
  WireField field;
  while (reader.next(field)) {
    if (field.is_bytes(1)) key = field.text();
    if (field.is_bytes(2)) value = field.text();
  }
  if (key == "location") data.location = value;
  if (key == "offset") data.offset = parse_number(key, value);
  if (key == "length") data.length = parse_number(key, value);
}

void read_dims(const WireField& field, Shape& dims) {
  if (field.type == WireType::varint) dims.push_back(static_cast<std::int64_t>(field.value));
  Bytes packed = field.bytes;
  while (!packed.empty()) dims.push_back(static_cast<std::int64_t>(take_varint(packed)));
}

void read_header(Bytes message, Header& header) {
  ExternalData external;
  bool is_external = false;
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    const bool varint = field.type == WireType::varint;
    if (field.number == 1) read_dims(field, header.dims);
    if (field.number == 2 && varint) header.type = static_cast<std::int32_t>(field.value);
    if (field.number == 3) header.segmented = true;
    if (field.is_bytes(8)) header.name = field.text();
    if (field.is_bytes(9)) header.raw = field.bytes;
    if (field.is_bytes(13)) read_external_entry(field.bytes, external);
    if (field.number == 14 && varint) is_external = field.value == 1;
  }
  if (is_external) header.external = std::move(external);
}

// --- Typed data ---

// Which field of TensorProto holds elements of a type, and how it encodes them.
struct TypedField {
  std::uint64_t number;
  WireType encoding;
};

TypedField typed_field(DType type) {
  switch (type) {
    case DType::f32:
      return {4, WireType::fixed32};
    case DType::f64:
      return {10, WireType::fixed64};
    case DType::i64:
      return {7, WireType::varint};
    default:
      return {5, WireType::varint};
  }
}

template <class T>
std::uint64_t load(Bytes bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Calls fn(bits) for each element, packed or not.
template <class Fn>
void for_each_element(Bytes message, TypedField typed, Fn&& fn) {
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    if (field.number != typed.number) continue;
    if (field.type == typed.encoding) {
      fn(field.value);
      continue;
    }
    Bytes packed = field.bytes;
    const std::size_t width = typed.encoding == WireType::fixed32 ? 4 : 8;
    while (!packed.empty()) {
      if (typed.encoding == WireType::varint) {
        fn(take_varint(packed));
      } else if (packed.size() < width) {
        throw Error("its typed data ends inside an element");
      } else {
        fn(width == 4 ? load<std::uint32_t>(packed) : load<std::uint64_t>(packed));
        packed = packed.subspan(width);
      }
    }
  }
}

void store(std::uint64_t bits, float& out) {
  const auto low = static_cast<std::uint32_t>(bits);
  std::memcpy(&out, &low, sizeof out);
}
void store(std::uint64_t bits, double& out) { std::memcpy(&out, &bits, sizeof out); }
void store(std::uint64_t bits, Half& out) { out.bits = static_cast<std::uint16_t>(bits); }
void store(std::uint64_t bits, bool& out) { out = bits != 0; }
template <class T>
void store(std::uint64_t bits, T& out) {
  out = static_cast<T>(bits);
}

float from_bfloat16(std::uint64_t bits) {
  float x;
  store(bits << 16, x);
  return x;
}

[[noreturn]] void wrong_size(const Shape& dims, const std::string& expected, const std::string& found) {
  throw Error("shape " + to_string(dims) + ": expected " + expected + ", found " + found);
}

Tensor from_typed_data(Bytes message, const Header& header, DType type) {
  const bool bfloat16 = header.type == kOnnxBfloat16;
  const TypedField typed = bfloat16 ? TypedField{5, WireType::varint} : typed_field(type);
  // Counted before memory is taken: the dimensions are only a claim.
  const std::int64_t expected = element_count(header.dims);
  std::int64_t found = 0;
  for_each_element(message, typed, [&](std::uint64_t) { ++found; });
  if (found != expected) {
    wrong_size(header.dims, std::to_string(expected) + " elements", std::to_string(found));
  }
  Tensor tensor = Tensor::allocate(type, header.dims);
  visit(type, [&](auto element) {
    auto* out = tensor.data<decltype(element)>();
    for_each_element(message, typed, [&](std::uint64_t bits) {
      if constexpr (std::is_same_v<decltype(element), float>) {
        *out++ = bfloat16 ? from_bfloat16(bits) : (store(bits, element), element);
      } else {
        store(bits, *out++);
      }
    });
  });
  return tensor;
}

// --- Raw data ---

Tensor widen_bfloat16(Bytes bytes, const Shape& dims) {
  Tensor tensor = Tensor::allocate(DType::f32, dims);
  float* out = tensor.data<float>();
  for (std::size_t i = 0; i < bytes.size(); i += 2) *out++ = from_bfloat16(load<std::uint16_t>(bytes.subspan(i, 2)));
  return tensor;
}

Tensor normalised_bools(Bytes bytes, const Shape& dims) {
  Tensor tensor = Tensor::allocate(DType::boolean, dims);
  std::transform(bytes.begin(), bytes.end(), tensor.data<bool>(), [](std::byte b) { return b != std::byte{0}; });
  return tensor;
}

// `bytes` has the size that `dims` ask for.
Tensor from_bytes(Bytes bytes, const std::shared_ptr<const MappedFile>& owner, const Header& header, DType type) {
  if (header.type == kOnnxBfloat16) return widen_bfloat16(bytes, header.dims);
  if (type == DType::boolean) return normalised_bools(bytes, header.dims);
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % byte_size(type) == 0;
  if (aligned && !bytes.empty()) return Tensor::view(type, header.dims, bytes.data(), owner);
  Tensor tensor = Tensor::allocate(type, header.dims);
  if (!bytes.empty()) std::memcpy(tensor.raw(), bytes.data(), bytes.size());
  owner->release(bytes);
  return tensor;
}

std::size_t checked_bytes(const Header& header, DType type) {
  if (header.dims.size() > kMaxRank) {
    throw Error("expected at most " + std::to_string(kMaxRank) + " dimensions, found " +
                std::to_string(header.dims.size()));
  }
  for (std::int64_t d : header.dims) {
    if (d < 0) throw Error("negative dim " + std::to_string(d) + " in shape " + to_string(header.dims));
  }
  std::int64_t count = 0;
  try {
    count = element_count(header.dims);
  } catch (const Error&) {
    throw Error("shape " + to_string(header.dims) + ": dims product overflows");
  }
  return static_cast<std::size_t>(count) * (header.type == kOnnxBfloat16 ? 2 : byte_size(type));
}

Tensor decode(Bytes message, const Header& header, const std::shared_ptr<const MappedFile>& file,
              ExternalSource& external) {
  const std::optional<DType> type = header.type == kOnnxBfloat16 ? DType::f32 : dtype_from_onnx(header.type);
  if (!type) throw Error(unsupported_element_type(header.type));
  const std::size_t bytes = checked_bytes(header, *type);
  if (header.segmented) throw Error("tensors in segments are not supported");
  if (header.external) {
    const auto part = external.read(*header.external, bytes);
    return from_bytes(part.bytes, part.file, header, *type);
  }
  if (!header.raw || header.raw->empty()) return from_typed_data(message, header, *type);
  if (header.raw->size() != bytes) {
    wrong_size(header.dims, std::to_string(bytes) + " bytes", std::to_string(header.raw->size()));
  }
  return from_bytes(*header.raw, file, header, *type);
}

}  // namespace

OnnxTensor decode_tensor(Bytes message, const std::shared_ptr<const MappedFile>& file, ExternalSource& external) {
  Header header;
  try {
    read_header(message, header);
    Tensor tensor = decode(message, header, file, external);
    return {std::move(header.name), std::move(tensor)};
  } catch (const Error& error) {
    throw Error("tensor '" + printable(header.name) + "': " + error.what());
  }
}

}  // namespace sesame::engine
