// A walk over protobuf's wire format, field by field, without copying.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/mapped_file.h"
#include "sesame/error.h"

namespace sesame::engine {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct WireField {
  std::uint64_t number = 0;
  WireType type = WireType::varint;
  std::uint64_t value = 0;  // of a varint, fixed32 or fixed64
  Bytes bytes;              // of a field of bytes
  Bytes whole;              // the field as it stands, tag included

  bool is_bytes(std::uint64_t n) const { return number == n && type == WireType::bytes; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

struct WireError : Error {
  using Error::Error;
  bool cut_short = false;  // a field reaches beyond the end; otherwise there is no such encoding
};

// Reads one varint from the front of `bytes` and moves past it. Throws WireError.
std::uint64_t take_varint(Bytes& bytes);

class WireReader {
 public:
  explicit WireReader(Bytes message) : rest_(message) {}
  // Moves to the next field; false at the end of the message. Throws WireError.
  bool next(WireField& field);

 private:
  Bytes rest_;
};

// Writing: the pieces a message is put together from.
void append_varint(std::string& out, std::uint64_t value);
void append_varint_field(std::string& out, std::uint64_t number, std::uint64_t value);
// The tag and the length of a field of bytes; the bytes follow.
void append_bytes_header(std::string& out, std::uint64_t number, std::size_t length);

}  // namespace sesame::engine
