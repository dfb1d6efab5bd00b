// From a folder or file to a LoadedModel, and the halves of that way for those who change the graph in between.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/graph.h"
#include "models/files.h"
#include "models/model.h"

namespace sesame {

// What Model::load does. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> load_model(const std::filesystem::path& path, const ModelOptions& options);

// A model before a precision was chosen: its graph in normal forms, and all but recognition and plan around it.
struct SourceModel {
  LoadedModel model;
  engine::Graph graph;
  std::shared_ptr<const FileSet> files;  // of config and tokenizer
};

// Reads a folder or an .onnx file. Throws Error, the file's name first.
SourceModel read_source(const std::filesystem::path& path);

// int8 on load: marks the encoder's Linears (engine/quantize_linears.h) and equalizes its attention.
void quantize_graph(engine::Graph& graph);

// Recognises the graph's encoders, packs its Linears and plans. Throws Error, the file's name first.
std::shared_ptr<const LoadedModel> finish_model(const LoadedModel& model, engine::Graph graph, Precision precision,
                                                AttentionPrecision attention);

// The same without recognition: operator by operator, for a graph whose values are to be looked at.
std::shared_ptr<const LoadedModel> plan_operators(const LoadedModel& model, engine::Graph graph);

}  // namespace sesame
