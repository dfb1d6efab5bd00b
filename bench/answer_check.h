// A benchmark proves its answer before it times it.
#pragma once

#include <string>

#include "sesame/sesame.h"

namespace sesame::bench {

// Throws Error that names `model`, the output and what was found, unless every float output is finite, the same bits
// come out of two runs, and, when `alone_too`, each sequence has in the batch the bits that it has alone.
void check_answers(Session& session, const TokenBatch& batch, const std::string& model, bool alone_too);

}  // namespace sesame::bench
