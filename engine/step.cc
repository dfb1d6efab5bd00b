#include "engine/step.h"

#include <limits>
#include <string>
#include <utility>

#include "sesame/error.h"

namespace sesame::engine {

const Tensor& Inference::input(std::size_t i) const {
  if (!has(i)) throw Error("input " + std::to_string(i) + " is missing");
  return inputs_[i];
}

const Tensor& Inference::value(std::size_t i) const {
  const Tensor& tensor = input(i);
  if (!tensor.has_data()) throw NeedsValue{};
  return tensor;
}

std::size_t Step::scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const { return 0; }
std::size_t Step::worker_scratch_bytes(std::span<const Tensor>, std::span<const Tensor>) const { return 0; }

void Registry::add(std::string_view domain, std::string_view op, int since, int until, StepFactory factory) {
  entries_[{std::string(domain), std::string(op)}].push_back({since, until, std::move(factory)});
}

void Registry::add(std::string_view domain, std::string_view op, int since, StepFactory factory) {
  add(domain, op, since, std::numeric_limits<int>::max(), std::move(factory));
}

const StepFactory* Registry::find(const Node& node) const {
  const auto it = entries_.find({node.domain, node.op});
  if (it == entries_.end()) return nullptr;
  for (const Entry& entry : it->second) {
    if (entry.since <= node.version && node.version <= entry.until) return &entry.factory;
  }
  return nullptr;
}

}  // namespace sesame::engine
