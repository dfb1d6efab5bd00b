#include "engine/fused_activation.h"

#include <algorithm>
#include <array>

namespace sesame::engine {

Node activation_of(const Node& fused_gemm) {
  constexpr std::string_view kPrefix = "activation_";
  constexpr int kVersion = 20;  // the first that has them all
  Node node;
  node.op = fused_gemm.attributes.text("activation", "");
  node.version = kVersion;
  for (const auto& [name, value] : fused_gemm.attributes.all()) {
    if (name.starts_with(kPrefix)) node.attributes.set(name.substr(kPrefix.size()), value);
  }
  return node;
}

bool is_fusable_activation(const Node& activation) {
  constexpr std::array<std::string_view, 11> kNames = {"Relu",     "Tanh",     "Sigmoid",        "LeakyRelu",
                                                       "Gelu",     "Elu",      "Selu",           "HardSigmoid",
                                                       "Softplus", "Softsign", "ThresholdedRelu"};
  return std::find(kNames.begin(), kNames.end(), activation.op) != kNames.end();
}

}  // namespace sesame::engine
