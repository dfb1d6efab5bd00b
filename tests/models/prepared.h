// Made models as plans, with and without recognition, and padded batches for them.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/folding.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/onnx_reader.h"
#include "engine/plan.h"
#include "engine/quantize_linears.h"
#include "engine/steps/linear_step.h"
#include "models/encoder.h"
#include "models/recognition.h"
#include "models/synthesis/make_model.h"
#include "tests/models/synthesis/tiny.h"
#include "tests/support.h"
#include "tests/support/small_graph.h"

namespace sesame::models {

// The model's graph in normal forms.
inline engine::Graph normal_graph(const std::filesystem::path& onnx) {
  engine::Graph graph = engine::read_onnx(onnx);
  engine::fold_constants(graph);
  engine::to_normal_forms(graph);
  return graph;
}

inline engine::Graph normal_graph(const synthesis::ModelSpec& spec) {
  const test::TempDir folder;
  synthesis::make_model(spec, folder.path());
  return normal_graph(folder.path() / "model.onnx");
}

struct Prepared {
  Recognition recognition;
  std::unique_ptr<const engine::Plan> plan;
};

struct How {
  engine::LinearPrecision linears = engine::LinearPrecision::fp32;
  bool recognise = true;
  AttentionPrecision attention = AttentionPrecision::fp32;
};

inline Prepared prepare(engine::Graph graph, How how = {}) {
  Prepared prepared;
  if (how.linears != engine::LinearPrecision::fp32) engine::quantize_linears(graph, how.linears);
  if (how.recognise) prepared.recognition = recognise_encoders(graph, how.attention);
  engine::pack_linears(graph);
  prepared.plan = std::make_unique<const engine::Plan>(std::move(graph));
  return prepared;
}

using Sequences = std::vector<std::vector<std::int64_t>>;

// `sequences` of ids drawn below `vocab`, of these lengths.
inline Sequences made_up(const std::vector<std::size_t>& lengths, std::int64_t vocab) {
  Sequences sequences;
  std::uint64_t state = 17;
  for (std::size_t length : lengths) {
    sequences.emplace_back(length);
    for (std::int64_t& id : sequences.back()) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      id = static_cast<std::int64_t>(state >> 33) % vocab;
    }
  }
  return sequences;
}

// Ids, mask and (where the graph has a third input) types, padded to `length` behind, or before when `left`.
inline std::vector<engine::Tensor> padded(const engine::Graph& graph, const Sequences& sequences, std::size_t length,
                                          bool left = false) {
  const auto batch = static_cast<std::int64_t>(sequences.size());
  std::vector<engine::Tensor> inputs;
  for (engine::ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    inputs.push_back(engine::Tensor::allocate(engine::DType::i64, {batch, static_cast<std::int64_t>(length)}));
    auto* values = inputs.back().data<std::int64_t>();
    std::fill_n(values, inputs.back().size(), 0);
    for (std::size_t b = 0; b < sequences.size(); ++b) {
      const std::size_t tokens = sequences[b].size();
      std::int64_t* row = values + b * length + (left ? length - tokens : 0);
      for (std::size_t p = 0; p < tokens; ++p) {
        if (name == "input_ids") row[p] = sequences[b][p];
        if (name == "attention_mask") row[p] = 1;
      }
    }
  }
  return inputs;
}

// Row b of an output [batch, ..].
inline std::vector<float> row(const engine::Tensor& t, std::size_t b) {
  const std::size_t n = static_cast<std::size_t>(t.size() / t.dim(0));
  return {t.data<float>() + b * n, t.data<float>() + (b + 1) * n};
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace sesame::models
