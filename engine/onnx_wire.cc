#include "engine/onnx_wire.h"

#include <cstring>

namespace sesame::engine {

namespace {

constexpr std::uint64_t kMaxFieldNumber = (std::uint64_t{1} << 29) - 1;

[[noreturn]] void cut_short() {
  WireError error("a field reaches beyond the end of its message");
  error.cut_short = true;
  throw error;
}

Bytes take(Bytes& rest, std::uint64_t count) {
  if (count > rest.size()) cut_short();
  const Bytes taken = rest.first(static_cast<std::size_t>(count));
  rest = rest.subspan(static_cast<std::size_t>(count));
  return taken;
}

template <class T>
std::uint64_t take_fixed(Bytes& rest) {
  T value;
  std::memcpy(&value, take(rest, sizeof value).data(), sizeof value);
  return value;
}

}  // namespace

std::uint64_t take_varint(Bytes& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(take(bytes, 1)[0]);
    value |= (byte & 0x7F) << shift;  // what a tenth byte has beyond 64 bits is dropped, as protobuf does
    if (byte < 0x80) return value;
  }
  throw WireError("a number is longer than ten bytes");
}

bool WireReader::next(WireField& field) {
  if (rest_.empty()) return false;
  const Bytes start = rest_;
  const std::uint64_t tag = take_varint(rest_);
  field.number = tag >> 3;
  if (field.number == 0 || field.number > kMaxFieldNumber) throw WireError("a field has an invalid number");
  field.type = static_cast<WireType>(tag & 7);
  field.bytes = {};
  switch (field.type) {
    case WireType::varint:
      field.value = take_varint(rest_);
      break;
    case WireType::fixed64:
      field.value = take_fixed<std::uint64_t>(rest_);
      break;
    case WireType::fixed32:
      field.value = take_fixed<std::uint32_t>(rest_);
      break;
    case WireType::bytes:
      field.bytes = take(rest_, take_varint(rest_));
      break;
    default:
      throw WireError("a field has an encoding that ONNX does not use");
  }
  field.whole = start.first(start.size() - rest_.size());
  return true;
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void append_varint_field(std::string& out, std::uint64_t number, std::uint64_t value) {
  append_varint(out, number << 3 | static_cast<std::uint64_t>(WireType::varint));
  append_varint(out, value);
}

void append_bytes_header(std::string& out, std::uint64_t number, std::size_t length) {
  append_varint(out, number << 3 | static_cast<std::uint64_t>(WireType::bytes));
  append_varint(out, length);
}

}  // namespace sesame::engine
