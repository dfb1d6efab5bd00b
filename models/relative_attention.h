// What relative positions add to a layer's attention scores.
//
//   score[i][j] = scale (q_i . k_j) + q_i . K[place] + k_j . Q[place] + b[head][distance],   place = places[distance]
//
// distance is the key's position in its sequence minus the query's, padding counted, so that a text's scores do not
// depend on what it is batched with. K and Q are the layer's own tables of positions, already projected and scaled:
// rows of content-to-position and position-to-content scores (DeBERTa, He et al. 2021, equation 4), or one embedding
// for both (BERT's relative_key and relative_key_query). b is a bias a head and distance (T5, MPNet).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/linear.h"
#include "engine/tensor.h"
#include "kernels/table.h"

namespace sesame::models {

// Which row of the tables a distance means; layers share it.
struct RelativePlaces {
  // Of distance d at d + reach, for d from -reach to reach. Ascending from 0 in steps of 0 or 1: a row a stretch of
  // distances that mean the same.
  std::vector<std::int32_t> place;
  // Whether distances beyond reach mean what the furthest do; where not, no sequence may be longer than reach + 1.
  bool levels_off = false;

  std::ptrdiff_t reach() const { return static_cast<std::ptrdiff_t>(place.size() / 2); }
  std::size_t count() const { return static_cast<std::size_t>(place.back()) + 1; }
  std::size_t at(std::ptrdiff_t distance) const;
};

struct RelativeAttention {
  std::shared_ptr<const RelativePlaces> places;  // null: no relative positions
  // (rows, head_dim) -> (rows, places): one a head, or one for all heads; empty: no such term.
  std::vector<engine::Linear> query;
  std::vector<engine::Linear> key;
  engine::Tensor bias;  // [heads][2 reach + 1], or undefined

  explicit operator bool() const { return places != nullptr; }
  std::size_t weight_bytes() const;
  // Multiply-adds of all heads for the queries and keys at positions [0, queries) and [0, keys).
  double multiply_adds(std::size_t heads, std::size_t queries, std::size_t keys) const;
};

// Where the queries and keys of one sequence lay in it. Keys ascend.
struct Positions {
  std::span<const std::uint32_t> queries;
  std::span<const std::uint32_t> keys;
};

// Bytes that add_relative_scores needs for up to so many queries and keys.
std::size_t relative_scratch(const RelativeAttention& relative, std::size_t queries, std::size_t keys,
                             std::size_t head_dim);

// Puts the relative terms of one head into a.bias, behind the bias that is there (one row for all queries, or null).
// a.bias then lies in `scratch` or in the layer's tables.
void add_relative_scores(const RelativeAttention& relative, std::size_t head, const Positions& positions,
                         const kernels::Table& kernels, std::byte* scratch, kernels::AttentionF32& a);

}  // namespace sesame::models
