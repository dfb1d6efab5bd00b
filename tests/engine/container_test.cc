#include "engine/container.h"

#include <cstring>
#include <fstream>
#include <random>

#include "sesame/error.h"
#include "tests/catch.h"
#include "tests/files.h"

namespace sesame::engine {
namespace {

std::filesystem::path write_example(const TemporaryFolder& folder, const std::string& name = "a.sesame") {
  ContainerWriter writer;
  writer.add_copy("empty", "");
  writer.add_copy("text", "what the sections mean is for others to say");
  writer.add_copy("long", std::string(1000, 'x'));
  writer.write(folder / name);
  return folder / name;
}

std::string text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

TEST_CASE("A container gives back its sections, aligned in the mapping") {
  const TemporaryFolder folder;
  const auto container = Container::open(write_example(folder));
  CHECK(container->sections().size() == 3);
  CHECK(container->text("text") == "what the sections mean is for others to say");
  CHECK(container->section("empty").empty());
  CHECK(text(container->section("long")) == std::string(1000, 'x'));
  for (const auto& [name, bytes] : container->sections()) {
    CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % kSectionAlignment == 0);
  }
  CHECK_THROWS_WITH(container->section("other"), Catch::Contains("'other'"));
}

TEST_CASE("The same sections give the same bytes") {
  const TemporaryFolder folder;
  CHECK(content_of(write_example(folder)) == content_of(write_example(folder, "b.sesame")));
  CHECK(folder.files() == 2);
}

TEST_CASE("A container is told by its first bytes") {
  const TemporaryFolder folder;
  CHECK(is_container(write_example(folder)));
  CHECK_FALSE(is_container(folder.write("short", "SESA")));
  CHECK_FALSE(is_container(folder.path()));
  CHECK_FALSE(is_container(folder / "none"));
  CHECK_THROWS_WITH(Container::open(folder.write("onnx", std::string(100, 'o'))), Catch::Contains("expected a packed"));
}

TEST_CASE("A file that was cut short, grown or changed anywhere is refused, its name first") {
  const TemporaryFolder folder;
  const std::string good = content_of(write_example(folder));
  const auto refused = [&](const std::string& bytes) {
    const auto file = folder.write("bad.sesame", bytes);
    const std::string message = message_of<Error>([&] { Container::open(file); });
    return message.starts_with(file.string()) && message.find('\n') == std::string::npos;
  };
  for (std::size_t size = 1; size < good.size(); size += 7) CHECK(refused(good.substr(0, size)));
  CHECK(refused(good + '\0'));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    INFO("byte " << at);
    REQUIRE(refused(bad));
  }
}

// Checksums that fit, so that what lies behind them is reached.
std::string sealed(std::string bytes) {
  const auto put = [&](std::size_t at, std::uint64_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
  const auto sum = [](std::string_view part) {
    Checksum checksum;
    checksum.add(std::as_bytes(std::span(part)));
    return checksum.value();
  };
  put(16, bytes.size());
  put(40, sum(std::string_view(bytes).substr(64)));
  put(48, sum(std::string_view(bytes).substr(0, 48)));
  return bytes;
}

TEST_CASE("Damage with a checksum that fits is read within the file's bounds") {
  const TemporaryFolder folder;
  const std::string good = content_of(write_example(folder));
  CHECK(sealed(good) == good);
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    const std::uint64_t values[] = {0, 1, 63, 64, bad.size(), bad.size() + 1, ~std::uint64_t{0}, random()};
    const std::size_t place = round % 2 == 0 ? 24 + 8 * (random() % 2) : bad.size() - 8 - 8 * (random() % 16);
    std::memcpy(bad.data() + place, &values[random() % std::size(values)], 8);
    try {
      const auto container = Container::open(folder.write("bad.sesame", sealed(bad)));
      std::size_t read = 0;
      for (const auto& [name, bytes] : container->sections()) {
        for (std::byte b : bytes) read += static_cast<std::size_t>(b);
      }
      CHECK(read < std::size_t{1} << 40);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace sesame::engine
