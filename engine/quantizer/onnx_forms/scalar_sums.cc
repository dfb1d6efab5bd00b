#include "engine/quantizer/onnx_forms/scalar_sums.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/normal_forms/matcher.h"

namespace sesame::engine {

namespace {

constexpr float kSteps = 255;

// [low, high] with a step of which c is a multiple, no smaller than it was; nothing where c is less than a step.
std::optional<Range> aligned(Range range, float c) {
  const float low = std::min(range.low, 0.0f);
  const float step = (std::max(range.high, 0.0f) - low) / kSteps;
  const float count = std::floor(std::fabs(c) / step);
  if (!(count >= 1 && count <= kSteps)) return std::nullopt;
  return Range{low, low + kSteps * (std::fabs(c) / count)};
}

}  // namespace

void align_scalar_sums(const Graph& graph, const std::vector<Role>& roles, Ranges& ranges) {
  const Matcher m(graph);
  for (std::size_t n = 0; n < roles.size(); ++n) {
    const Node& node = graph.nodes[n];
    const auto split = roles[n] == Role::binary && node.is("Add") ? m.constant_operand(node) : std::nullopt;
    const auto c = split ? m.scalar(split->constant) : std::nullopt;
    if (!c) continue;
    Range& x = ranges.find(graph.value(split->other).name)->second;
    const auto wide = aligned(x, *c);
    if (!wide) continue;
    x = *wide;
    ranges[graph.value(node.outputs[0]).name] = {wide->low + *c, wide->high + *c};
  }
}

}  // namespace sesame::engine
