#include "engine/packed_graph.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/onnx_reader.h"
#include "engine/onnx_writer.h"
#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

constexpr std::string_view kGraph = "graph.onnx";

Bytes bytes_of(const Tensor& tensor) { return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()}; }

std::uint64_t checksum(Bytes bytes) {
  Checksum sum;
  sum.add(bytes);
  return sum.value();
}

// Hands out a section for each tensor, the same one for the same bytes.
class TensorSections {
 public:
  explicit TensorSections(ContainerWriter& writer) : writer_(writer) {}

  std::string place(const Tensor& tensor) {
    const Bytes bytes = bytes_of(tensor);
    auto& candidates = by_checksum_[checksum(bytes)];
    for (const auto& [known, name] : candidates) {
      if (std::equal(known.begin(), known.end(), bytes.begin(), bytes.end())) return name;
    }
    const std::string name = "tensors/" + std::to_string(count_++);
    writer_.add(name, bytes);
    candidates.emplace_back(bytes, name);
    return name;
  }

 private:
  ContainerWriter& writer_;
  std::map<std::uint64_t, std::vector<std::pair<Bytes, std::string>>> by_checksum_;
  std::size_t count_ = 0;
};

class SectionSource final : public ExternalSource {
 public:
  explicit SectionSource(const Container& container) : container_(container) {}

  Part read(const ExternalData& data, std::uint64_t bytes) override {
    const Bytes section = container_.section(data.location);
    if (data.offset != 0 || section.size() != bytes) {
      throw Error("section '" + printable(data.location) + "': expected " + std::to_string(bytes) + " bytes, found " +
                  std::to_string(section.size()));
    }
    return {container_.file(), section};
  }

 private:
  const Container& container_;
};

}  // namespace

void add_graph(const Graph& graph, ContainerWriter& writer) {
  TensorSections sections(writer);
  std::string model = onnx_bytes(graph, [&](const Tensor& tensor) { return sections.place(tensor); });
  writer.add_copy(std::string(kGraph), std::move(model));
}

Graph read_graph(const Container& container) {
  SectionSource source(container);
  return read_onnx(container.section(kGraph), container.file(), source);
}

}  // namespace sesame::engine
