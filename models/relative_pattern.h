// The terms of relative positions in a graph's attention scores, found by what they are made of and known by what they
// evaluate to: however an export computes which row of a table a distance means, that depends on the lengths alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/graph.h"
#include "engine/linear.h"
#include "engine/normal_forms/matcher.h"
#include "engine/shape_probe.h"
#include "models/by_distance.h"
#include "models/relative_attention.h"
#include "models/split_heads.h"

namespace sesame::models {

// Products of queries, or of keys, with the rows of a table.
struct RelativeProduct {
  engine::Tensor table;  // [1 or heads][rows][head_dim]
  ByDistance<std::int64_t> row;
  float scale = 1;
};

struct RelativePattern {
  std::optional<RelativeProduct> query;
  std::optional<RelativeProduct> key;
  std::vector<ByDistance<float>> bias;  // a head, or empty

  explicit operator bool() const { return query || key || !bias.empty(); }
};

// What such a product evaluates to at one length.
struct EvaluatedTerm {
  engine::Tensor table;  // [1 or heads][rows][head_dim]
  ByDistance<std::int64_t> row;
};

// Collects the terms while attention's scores are walked.
class RelativeMatch {
 public:
  RelativeMatch(const engine::Matcher& m, const engine::ShapeProbe& probe) : m_(m), probe_(probe) {}

  // Whether the addend, times scale, has the form of such a term: a bias that follows from shapes, the product of
  // queries or keys with a table gathered by what follows from shapes, or an Einsum of them with gathered rows.
  bool match(engine::ValueId addend, double scale);

  // The terms of an attention with these dense queries and keys; nothing and why when one is not a function of the
  // distance, or not known for all distances that may occur.
  std::optional<RelativePattern> finish(engine::ValueId query, engine::ValueId key, std::size_t heads,
                                        std::size_t head_dim, Mismatch& why) const;

 private:
  struct Term {
    engine::ValueId at;
    engine::ValueId rows = engine::kNoValue;   // of queries or keys, as heads
    engine::ValueId table = engine::kNoValue;  // as the product has it, or as Gather has it
    const engine::Node* dequantize = nullptr;  // of gathered rows of bytes
    engine::ValueId index = engine::kNoValue;  // [queries][keys] or [keys][queries]
    bool by_key = false;                       // the rows are the keys'
    bool transposed = false;                   // index is [keys][queries]
    bool product = false;                      // table is [.., head_dim, rows]
    double scale = 1;
  };

  bool match_bias(engine::ValueId id, double scale);
  bool match_gathered(engine::ValueId id, double scale);
  bool match_einsum(const engine::Node& einsum, double scale);
  std::optional<EvaluatedTerm> evaluate(const Term& term, std::size_t heads, std::size_t head_dim, std::int64_t length,
                                        Mismatch& why) const;
  std::optional<RelativeProduct> product_of(const Term& term, engine::ValueId dense, std::size_t heads,
                                            std::size_t head_dim, Mismatch& why) const;
  std::optional<std::vector<ByDistance<float>>> bias_of(std::size_t heads, Mismatch& why) const;

  const engine::Matcher& m_;
  const engine::ShapeProbe& probe_;
  std::vector<Term> terms_;
  std::vector<Term> biases_;
};

// The layer's part of the encoder. Places that are `known` already are shared.
RelativeAttention make_relative_attention(const RelativePattern& pattern, std::size_t heads,
                                          engine::LinearPrecision precision,
                                          const std::shared_ptr<const RelativePlaces>& known);

}  // namespace sesame::models
