// Ours as a peer: what `sesame bench-peer` does.
#pragma once

#include <iosfwd>

namespace sesame::bench {

// Answers the requests of bench/peers/README.md, a line each, until the input ends. What goes wrong with a request is
// its answer.
void serve_as_peer(std::istream& in, std::ostream& out);

}  // namespace sesame::bench
