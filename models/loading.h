// From a folder or file to a LoadedModel, and the halves of that way for those who change the graph in between.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/graph.h"
#include "models/files.h"
#include "models/model.h"

namespace sesame {

// What becomes of a node that there is no step for.
enum class MissingOperators {
  refused,    // loading throws an Error that names the node, its operator, domain and version
  described,  // it is reported as unfused, and the rest loaded: the model can be looked at and not run
};

// What Model::load does. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> load_model(const std::filesystem::path& path, const ModelOptions& options,
                                              MissingOperators missing = MissingOperators::refused);

// A model before a precision was chosen: its graph in normal forms, and all but recognition and plan around it.
struct SourceModel {
  LoadedModel model;
  engine::Graph graph;
  std::shared_ptr<const FileSet> files;  // of config and tokenizer
};

// Reads a folder or an .onnx file. Throws Error, the file's name first.
SourceModel read_source(const std::filesystem::path& path);

// A precision on load: marks the encoder's Linears (engine/quantize_linears.h) and, for int8, equalizes its attention.
void quantize_graph(engine::Graph& graph, Precision precision);

// What `automatic` attention is beside Linears of a precision that is not automatic; another is what was asked for.
AttentionPrecision attention_beside(Precision linears, AttentionPrecision asked);

// Recognises the graph's encoders, packs its Linears and plans. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> finish_model(const LoadedModel& model, engine::Graph graph, Precision precision,
                                                AttentionPrecision attention,
                                                MissingOperators missing = MissingOperators::refused);

// A model that computes `graph`, one with the source's inputs, operator by operator: for a graph whose values are to be
// looked at.
std::shared_ptr<const LoadedModel> plan_operators(const SourceModel& source, engine::Graph graph);

}  // namespace sesame
