#include "models/calibration.h"

#include <memory>
#include <utility>
#include <vector>

#include "engine/normal_forms/normal_forms.h"
#include "models/loading.h"
#include "models/model.h"
#include "sesame/sesame.h"

namespace sesame::models {

engine::Observers observe_values(const std::filesystem::path& model, const engine::Graph& graph,
                                 std::span<const std::string> values, std::span<const std::string> texts,
                                 const engine::CalibrationOptions& options, const CalibrationProgress& progress) {
  const SourceModel source = read_source(model);
  if (!source.model.tokenizer) {
    throw Error(source.model.onnx_file.string() + ": no tokenizer beside it (tokenizer.json, vocab.txt, ...)");
  }
  // How many positions there are is known where the encoder is recognised.
  const std::size_t max_tokens =
      finish_model(source.model, source.graph, Precision::fp32, AttentionPrecision::fp32)->max_tokens;
  engine::Graph observed = engine::observed_graph(graph, values);
  engine::to_normal_forms(observed);
  engine::Observers observers(observed, options);
  Session session(std::make_shared<const Model>(plan_operators(source.model, std::move(observed))));
  std::vector<engine::Tensor> outputs;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Encoding encoding = source.model.tokenizer->encode(texts[i], {.max_length = max_tokens});
    TokenBatch batch;
    batch.add(encoding.ids, encoding.type_ids);
    outputs.clear();
    for (const Output& each : session.run(batch)) {
      outputs.push_back(
          engine::Tensor::view(engine::DType::f32, {each.shape.begin(), each.shape.end()}, each.values.data()));
    }
    observers.observe(outputs);
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(texts.size()));
  }
  return observers;
}

}  // namespace sesame::models
