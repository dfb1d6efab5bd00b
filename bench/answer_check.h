// A benchmark proves its answer before it times it.
#pragma once

#include <span>
#include <string>

#include "bench/engines/contestant.h"
#include "sesame/sesame.h"

namespace sesame::bench {

// Throws Error that names `model`, the output and what was found, unless every float output is finite, the same bits
// come out of two runs, and, when `alone_too`, each sequence has in the batch the bits that it has alone.
void check_answers(Session& session, const TokenBatch& batch, const std::string& model, bool alone_too);

// Compares a peer's answer to `batch` with ours, output by output over the real tokens of each sequence. `tolerance` is
// the largest root mean square of the difference, relative to ours. Throws Error that names `model`, the peer, the
// output and what was found, also when there is no output that both have.
void check_peer(std::span<const NamedOutput> ours, std::span<const NamedOutput> peers, const TokenBatch& batch,
                double tolerance, const std::string& model, const std::string& peer);

}  // namespace sesame::bench
