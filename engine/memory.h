// Memory that tensors own: 64-byte aligned, uninitialised, freed when the last owner is gone. Throws std::bad_alloc.
//
// Large pages matter to what every pass reads or writes: it streams tens of megabytes of weights, and with pages of
// 4 KiB the CPU looks up where one begins every 64 cache lines. The system is asked for them and may refuse, which
// changes nothing but the time.
#pragma once

#include <cstddef>
#include <memory>

namespace sesame::engine {

inline constexpr std::size_t kLargePage = std::size_t{2} << 20;

std::shared_ptr<void> allocate_memory(std::size_t bytes);

// For an arena: on large pages of its own, beginning with one, when it fills one.
std::shared_ptr<void> allocate_arena(std::size_t bytes);

// For packed weights: neighbours in a block that several share, so that those smaller than a page are on large ones
// too. A block is freed with the last of its weights.
std::shared_ptr<void> allocate_weights(std::size_t bytes);

}  // namespace sesame::engine
