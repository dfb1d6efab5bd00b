#include "tests/support.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/catch.h"

namespace sesame::test {
namespace {

namespace fs = std::filesystem;

fs::path source_dir() {
#ifdef SESAME_SOURCE_DIR
  return SESAME_SOURCE_DIR;
#else
  return fs::path(__FILE__).parent_path().parent_path();
#endif
}

}  // namespace

std::optional<fs::path> shared_dir() {
  const char* named = std::getenv("SESAME_SHARED");
  const fs::path path = named != nullptr && *named != '\0' ? fs::path(named) : source_dir() / ".." / "shared";
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::nullopt;
  return path;
}

std::optional<fs::path> shared_path(std::string_view relative) {
  std::error_code error;
  if (const auto shared = shared_dir(); shared && fs::exists(*shared / relative, error)) return *shared / relative;
  WARN("skipped for want of shared test data: " << relative);
  return std::nullopt;
}

fs::path TempDir::write(std::string_view name, std::string_view bytes) const {
  const fs::path path = this->path() / name;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out) throw std::runtime_error("can't write " + path.string());
  return path;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("can't read " + path.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace sesame::test
