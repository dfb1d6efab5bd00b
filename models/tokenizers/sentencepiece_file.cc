#include "models/tokenizers/sentencepiece_file.h"

#include <bit>

#include "models/tokenizers/utf8.h"
#include "sesame/error.h"

namespace sesame::tokenizers {
namespace {

// One field of a message: its number and its value, of which the wire type says which part counts.
struct WireField {
  std::uint32_t number = 0;
  std::uint64_t integer = 0;
  std::string_view bytes;
};

// Walks a message's fields.
class Wire {
 public:
  Wire(std::string_view rest, const std::string& label) : rest_(rest), label_(label) {}

  bool next(WireField& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {static_cast<std::uint32_t>(tag >> 3), 0, {}};
    switch (tag & 7) {
      case 0:
        field.integer = varint();
        return true;
      case 1:
        field.integer = fixed(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        field.integer = fixed(4);
        return true;
      default:
        fail();
    }
  }

 private:
  [[noreturn]] void fail() const { throw Error(label_ + ": expected a SentencePiece model, found a damaged message"); }

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) fail();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  std::uint64_t fixed(int size) {
    const std::string_view bytes = take(size);
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
    return value;
  }

  std::string_view rest_;
  const std::string& label_;
};

SentencePieceFile::Piece parse_piece(std::string_view bytes, const std::string& label) {
  SentencePieceFile::Piece piece;
  Wire wire(bytes, label);
  for (WireField field; wire.next(field);) {
    if (field.number == 1) piece.text = repair_utf8(field.bytes);
    if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.integer));
    if (field.number == 3 && field.integer >= 1 && field.integer <= 6) {
      piece.type = static_cast<SentencePieceFile::Type>(field.integer);
    }
  }
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& label, SentencePieceFile& file) {
  Wire wire(bytes, label);
  for (WireField field; wire.next(field);) {
    if (field.number == 3) file.model_type = field.integer;
    if (field.number == 24) file.space_as_suffix = field.integer != 0;
    if (field.number == 35) file.byte_fallback = field.integer != 0;
  }
}

void parse_normalizer(std::string_view bytes, const std::string& label, SentencePieceFile& file) {
  Wire wire(bytes, label);
  for (WireField field; wire.next(field);) {
    if (field.number == 2) file.charsmap = field.bytes;
    if (field.number == 3) file.add_dummy_prefix = field.integer != 0;
    if (field.number == 4) file.remove_extra_spaces = field.integer != 0;
    if (field.number == 5) file.escape_spaces = field.integer != 0;
  }
}

}  // namespace

SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& label) {
  SentencePieceFile file;
  Wire wire(bytes, label);
  for (WireField field; wire.next(field);) {
    if (field.number == 1) file.pieces.push_back(parse_piece(field.bytes, label));
    if (field.number == 2) parse_trainer(field.bytes, label, file);
    if (field.number == 3) parse_normalizer(field.bytes, label, file);
  }
  return file;
}

}  // namespace sesame::tokenizers
