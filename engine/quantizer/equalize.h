// Folding a factor a channel from one Linear into another, where only what is linear in each channel lies between: the
// function stays the same, and no channel is much wider than its neighbours, which share a scale with it.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace sesame::engine {

// Both kinds give channel c the factor f[c] = sqrt(a[c] / b[c]), where a and b are the largest magnitudes of the
// weights that make or take it; 1 where one of them is 0 or not finite. Linears that share their weights with others
// get weights of their own, and those that share both sides share them again. Linears are sesame.Linear nodes of the
// graph.
class Equalizer {
 public:
  explicit Equalizer(Graph& graph) : graph_(graph) {}

  // Of values on their way into a Linear: y = (context of v) W + b. v's channels, weight and bias, are divided by f,
  // the rows of W multiplied.
  void fold_into_rows(Node& maker, Node& taker);

  // Of two Linears whose results are multiplied channel by channel (queries and keys). The left's channels are divided
  // by f, the right's multiplied.
  void fold_into_columns(Node& left, Node& right);

 private:
  struct Inputs {
    std::vector<ValueId> first, second;
  };
  using Key = std::pair<std::vector<ValueId>, std::vector<ValueId>>;  // weight and bias of both

  bool reuse(std::map<Key, Inputs>& done, Node& first, Node& second);

  Graph& graph_;
  std::map<Key, Inputs> into_rows_, into_columns_;
};

}  // namespace sesame::engine
