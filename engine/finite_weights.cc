#include "engine/finite_weights.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/printable.h"
#include "sesame/error.h"

namespace sesame::engine {

namespace {

bool is_mask(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return x == 0 || std::isinf(x); });
}

}  // namespace

void require_finite(std::string_view name, std::span<const float> values) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  if (bad == values.end()) return;
  throw Error("cannot quantize: weight '" + std::string(name) + "' element " + std::to_string(bad - values.begin()) +
              " is " + std::to_string(*bad) + ", expected finite numbers");
}

void require_finite_weights(const Graph& graph) {
  for (std::size_t v = 0; v < graph.value_count(); ++v) {
    const Value& value = graph.value(static_cast<ValueId>(v));
    const Tensor& t = value.constant;
    if (!t || t.type() != DType::f32 || t.size() < 2 || !t.has_data()) continue;
    if (!is_mask(t.span<float>())) require_finite(printable(value.name), t.span<float>());
  }
}

}  // namespace sesame::engine
