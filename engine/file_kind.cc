#include "engine/file_kind.h"

#include <algorithm>
#include <string_view>

namespace sesame::engine {

namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view kind;
};

using namespace std::string_view_literals;

constexpr Magic kMagics[] = {
    {0, "version https://git-lfs"sv, "a git-lfs pointer, not the model: fetch it with `git lfs pull`"},
    {0, "PK\x03\x04"sv, "a zip archive (unpack it first, or a PyTorch checkpoint to export)"},
    {0, "\x1F\x8B"sv, "a gzip archive"},
    {0, "BZh"sv, "a bzip2 archive"},
    {0,
     "\xFD"
     "7zXZ\0"sv,
     "an xz archive"},
    {0, "7z\xBC\xAF\x27\x1C"sv, "a 7-zip archive"},
    {0, "\x28\xB5\x2F\xFD"sv, "a zstd archive"},
    {257, "ustar"sv, "a tar archive"},
    {0, "\x89HDF\r\n\x1A\n"sv, "an HDF5 file (a Keras model to export)"},
    {0, "GGUF"sv, "a GGUF file"},
    {4, "TFL3"sv, "a TensorFlow Lite model"},
    {4, "ORTM"sv, "a model in ONNX Runtime's own format, not ONNX"},
    {8, "{\""sv, "a safetensors file (weights without a graph)"},
    {0, "\x80\x02"sv, "a Python pickle (a PyTorch checkpoint to export)"},
    {0, "%PDF"sv, "a PDF file"},
    {0,
     "\x7F"
     "ELF"sv,
     "a program"},
};

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
}

std::string text_kind(std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const std::string_view start = first == head.npos ? "" : head.substr(first);
  if (start.starts_with("<?xml")) return "an XML file";
  if (start.starts_with("<")) return "an HTML page (a download that failed?)";
  if (start.starts_with("{") || start.starts_with("[")) return "a JSON file";
  return "a text file";
}

}  // namespace

std::optional<std::string> recognised_kind(Bytes file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()), std::min<std::size_t>(file.size(), 512));
  for (const Magic& magic : kMagics) {
    if (head.size() > magic.offset && head.substr(magic.offset).starts_with(magic.bytes)) {
      return std::string(magic.kind);
    }
  }
  if (is_text(head)) return text_kind(head);
  return std::nullopt;
}

}  // namespace sesame::engine
