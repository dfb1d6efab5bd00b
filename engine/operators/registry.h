// The list of operator files; see Registry in engine/step.h.
#pragma once

#include "engine/step.h"

namespace sesame::engine {

void register_elementwise(Registry& registry);

}  // namespace sesame::engine
