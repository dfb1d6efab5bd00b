// Finds encoders in a graph of normal forms and replaces each by one step of layer structs (encoder.h).
//
// Matching is by dataflow, never by names or exporter: the layers are found from their attention cores outward. What is
// not recognised stays in the graph as operators, and the report names the node where matching failed, what was
// expected there and what was found.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "sesame/sesame.h"

namespace sesame::models {

// A region that looked like part of an encoder layer and was not fused.
struct Unfused {
  std::string node;
  std::string op;
  std::string expected;
  std::string found;
};

struct Recognition {
  int layers_total = 0;       // attention cores (softmax over scores) in the graph
  int layers_recognised = 0;  // of them, how many run as layer structs
  std::vector<Unfused> unfused;
  // What runs in place of the recognised regions, one line each (Encoder::describe).
  std::vector<std::string> structs;
  // Rows of the embedding table that positions index: no text can be longer. Nothing when there is no such table.
  std::optional<std::int64_t> position_rows;
};

// Replaces every encoder that is found in a graph of normal forms (engine/normal_forms) by a step, whose layers attend
// in fp32 or int8 as told.
Recognition recognise_encoders(engine::Graph& graph, AttentionPrecision attention);

// What the file itself says, before passes.
struct SourceGraph {
  std::string producer;
  std::map<std::string, int> opset;
  std::map<std::string, int> operators;   // histogram; domains other than ai.onnx as a prefix
  std::vector<std::string> quantization;  // one line a kind of quantized node, empty for a float graph
  std::int64_t parameters = 0;            // elements of all float and quantized weight tensors
  std::int64_t bytes = 0;                 // of those tensors as stored
};

SourceGraph describe_source(const engine::Graph& graph);

}  // namespace sesame::models
