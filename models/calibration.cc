#include "models/calibration.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "models/tokenizers/tokenizer.h"
#include "sesame/sesame.h"

namespace sesame::models {

namespace {

// Texts of one length that run together: weights are then read once for all of them, and nothing is padded.
constexpr std::size_t kTextsTogether = 16;

bool has_open_batch(const LoadedModel& model) {
  if (model.input_ids < 0) return false;
  const engine::Graph& graph = model.plan->graph();
  const auto& shape = graph.value(graph.inputs[static_cast<std::size_t>(model.input_ids)]).declared_shape;
  return !shape || (shape->size() == 2 && (*shape)[0] < 0 && (*shape)[1] < 0);
}

// Token ids of the texts, in the order in which they are run.
std::vector<Encoding> tokenize(const LoadedModel& model, std::span<const std::string> texts, bool keep_order) {
  if (!model.tokenizer) {
    throw Error(model.onnx_file.string() + ": no tokenizer beside it (tokenizer.json, vocab.txt, ...)");
  }
  std::vector<Encoding> encodings(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    encodings[i] = model.tokenizer->encode(texts[i], {.max_length = model.max_tokens});
    encodings[i].offsets = {};
  }
  if (keep_order) return encodings;
  std::stable_sort(encodings.begin(), encodings.end(),
                   [](const Encoding& a, const Encoding& b) { return a.ids.size() < b.ids.size(); });
  return encodings;
}

std::vector<TokenBatch> batches_of(const std::vector<Encoding>& encodings, std::size_t most) {
  std::vector<TokenBatch> batches;
  for (const Encoding& encoding : encodings) {
    const bool joins =
        !batches.empty() && batches.back().size() < most && batches.back().row_offsets[1] == encoding.ids.size();
    if (!joins) batches.emplace_back();
    batches.back().add(encoding.ids, encoding.type_ids);
  }
  return batches;
}

}  // namespace

void run_texts(const SourceModel& source, engine::Graph graph, std::span<const std::string> texts, bool keep_order,
               const TakeOutputs& take, const CalibrationProgress& progress) {
  const auto model = std::make_shared<const Model>(plan_operators(source, std::move(graph)));
  const std::size_t together = keep_order || !has_open_batch(model->loaded()) ? 1 : kTextsTogether;
  const std::vector<TokenBatch> batches = batches_of(tokenize(model->loaded(), texts, keep_order), together);
  Session session(model);
  std::vector<engine::Tensor> outputs;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    outputs.clear();
    for (const Output& each : session.run(batches[i])) {
      outputs.push_back(
          engine::Tensor::view(engine::DType::f32, {each.shape.begin(), each.shape.end()}, each.values.data()));
    }
    take(outputs);
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(batches.size()));
  }
}

engine::Observers observe_values(const std::filesystem::path& model, const engine::Graph& graph,
                                 std::span<const std::string> values, std::span<const std::string> texts,
                                 const engine::CalibrationOptions& options, const CalibrationProgress& progress) {
  engine::Graph observed = engine::observed_graph(graph, values);
  engine::Observers observers(observed, options);
  const bool keep_order = options.method == engine::CalibrationMethod::moving_average;
  run_texts(
      read_source(model), std::move(observed), texts, keep_order,
      [&](std::span<const engine::Tensor> outputs) { observers.observe(outputs); }, progress);
  return observers;
}

}  // namespace sesame::models
