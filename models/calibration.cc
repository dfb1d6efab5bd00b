#include "models/calibration.h"

#include <memory>
#include <vector>

#include "models/loading.h"
#include "models/model.h"
#include "sesame/sesame.h"

namespace sesame::models {

engine::Observers observe_values(const std::filesystem::path& model, const engine::Graph& graph,
                                 std::span<const std::string> values, std::span<const std::string> texts,
                                 const engine::CalibrationOptions& options, const CalibrationProgress& progress) {
  const auto loaded = load_graph(model, engine::observed_graph(graph, values));
  if (!loaded->tokenizer) {
    throw Error(loaded->onnx_file.string() + ": no tokenizer beside it (tokenizer.json, vocab.txt, ...)");
  }
  engine::Observers observers(loaded->plan->graph(), options);
  Session session(std::make_shared<const Model>(loaded));
  std::vector<engine::Tensor> outputs;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Encoding encoding = loaded->tokenizer->encode(texts[i], {.max_length = loaded->max_tokens});
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
