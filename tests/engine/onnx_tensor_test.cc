#include "engine/onnx_tensor.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/engine/onnx_reading.h"

namespace sesame::engine {

namespace {

NamedTensor read_message(const TemporaryFolder& folder, const std::string& message) {
  return read_tensor_proto(folder.write("tensor.pb", message));
}

std::string tensor_refusal(const std::string& message) {
  const TemporaryFolder folder;
  return message_of<Error>([&] { read_message(folder, message); }).substr((folder / "tensor.pb: ").string().size());
}

std::string packed(const std::vector<std::int64_t>& values) {
  std::string out;
  for (std::int64_t v : values) append_varint(out, static_cast<std::uint64_t>(v));
  return out;
}

TEST_CASE("Typed data of every type is decoded") {
  const TemporaryFolder folder;
  const auto with_field = [](std::int32_t type, std::int64_t count, std::uint64_t number, const std::string& data) {
    std::string message = tensor_head("t", type, {count});
    append_bytes_field(message, number, data);
    return message;
  };
  const auto read_field = [&](std::int32_t type, std::int64_t count, std::uint64_t number, const std::string& data) {
    return read_message(folder, with_field(type, count, number, data)).tensor;
  };
  CHECK(values<float>(read_field(1, 2, 4, raw_floats({1.5f, -2}))) == std::vector<float>{1.5f, -2});
  const double doubles[] = {0.25, -1e300};
  CHECK(values<double>(read_field(11, 2, 10, {reinterpret_cast<const char*>(doubles), sizeof doubles})) ==
        std::vector<double>{0.25, -1e300});
  CHECK(values<std::int32_t>(read_field(6, 2, 5, packed({-5, 7}))) == std::vector<std::int32_t>{-5, 7});
  CHECK(values<std::int8_t>(read_field(3, 3, 5, packed({-128, 0, 127}))) == std::vector<std::int8_t>{-128, 0, 127});
  CHECK(values<std::uint8_t>(read_field(2, 2, 5, packed({255, 1}))) == std::vector<std::uint8_t>{255, 1});
  CHECK(values<bool>(read_field(9, 2, 5, packed({1, 0}))) == std::vector<bool>{true, false});
  constexpr auto kLowest = std::numeric_limits<std::int64_t>::min();
  CHECK(values<std::int64_t>(read_field(7, 2, 7, packed({kLowest, 3}))) == std::vector<std::int64_t>{kLowest, 3});
  CHECK(read_field(10, 1, 5, packed({0x3C00})).data<Half>()->bits == 0x3C00);
  CHECK(values<float>(read_field(16, 1, 5, packed({0x3F80}))) == std::vector<float>{1});

  CHECK(tensor_refusal(with_field(7, 3, 7, packed({1, 2}))) == "tensor 't': shape [3]: expected 3 elements, found 2");
  CHECK(contains(tensor_refusal(with_field(1, 2, 4, "12345")), "ends inside an element"));
}

TEST_CASE("Typed data may come one field an element") {
  const TemporaryFolder folder;
  std::string message = tensor_head("t", 7, {2});
  append_varint_field(message, 7, 11);
  append_varint_field(message, 7, 12);
  CHECK(values<std::int64_t>(read_message(folder, message).tensor) == std::vector<std::int64_t>{11, 12});
}

TEST_CASE("Raw data is right at any address") {
  const TemporaryFolder folder;
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::string message = tensor_head(std::string(shift + 1, 'n'), 1, {2, 1});
    append_bytes_field(message, 9, raw_floats({3, 4}));
    const NamedTensor read = read_message(folder, message);
    CHECK(read.name.size() == shift + 1);
    CHECK(reinterpret_cast<std::uintptr_t>(read.tensor.raw()) % 4 == 0);
    CHECK(read.tensor.shape() == Shape{2, 1});
    CHECK(values<float>(read.tensor) == std::vector<float>{3, 4});
  }
}

TEST_CASE("Raw bytes become what their type may hold") {
  const TemporaryFolder folder;
  std::string bools = tensor_head("b", 9, {3});
  append_bytes_field(bools, 9, std::string("\x00\x01\x02", 3));
  CHECK(values<bool>(read_message(folder, bools).tensor) == std::vector<bool>{false, true, true});
  std::string widened = tensor_head("w", 16, {2});
  append_bytes_field(widened, 9, std::string("\x80\x3F\x00\xC0", 4));
  const Tensor tensor = read_message(folder, widened).tensor;
  CHECK(tensor.type() == DType::f32);
  CHECK(values<float>(tensor) == std::vector<float>{1, -2});
  CHECK(read_message(folder, tensor_head("none", 1, {0, 5})).tensor.shape() == Shape{0, 5});
}

TEST_CASE("Tensors whose parts do not fit are refused with their name") {
  const auto with_raw = [](std::int32_t type, const std::vector<std::int64_t>& dims, const std::string& raw) {
    std::string message = tensor_head("emb\n", type, dims);
    append_bytes_field(message, 9, raw);
    return message;
  };
  CHECK(tensor_refusal(with_raw(1, {2, 3}, "12345678")) == "tensor 'emb?': shape [2, 3]: expected 24 bytes, found 8");
  CHECK(tensor_refusal(with_raw(1, {-2}, "")) == "tensor 'emb?': negative dim -2 in shape [-2]");
  CHECK(contains(tensor_refusal(with_raw(1, {1LL << 40, 1LL << 40}, "")), "dims product overflows"));
  CHECK(contains(tensor_refusal(with_raw(1, {1LL << 50}, "")), "expected 1125899906842624 elements, found 0"));
  CHECK(tensor_refusal(with_raw(8, {1}, "")) == "tensor 'emb?': unsupported element type string");
  CHECK(tensor_refusal(with_raw(77, {1}, "")) == "tensor 'emb?': unknown element type 77");
  CHECK(tensor_refusal(with_raw(0, {1}, "")) == "tensor 'emb?': unsupported element type undefined");
  CHECK(contains(tensor_refusal(with_raw(1, std::vector<std::int64_t>(65, 1), "1234")), "at most 64 dimensions"));
}

}  // namespace

}  // namespace sesame::engine
