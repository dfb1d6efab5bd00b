// The work of one pass, for whoever compares it with what the machine could do.
#pragma once

#include <cstddef>
#include <span>

#include "models/model.h"

namespace sesame {

// Multiply-adds that a pass over sequences of these lengths executes: Linears and attention (scores and context), real
// tokens only; rows that nothing reads are not computed and not counted. 0 when no encoder was recognised.
double executed_macs(const LoadedModel& model, std::span<const std::size_t> lengths);

}  // namespace sesame
