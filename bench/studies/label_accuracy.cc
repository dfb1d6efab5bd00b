#include "bench/studies/label_accuracy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "bench/engines/peer_contestant.h"
#include "bench/quantized_copies.h"
#include "models/eval/metrics.h"
#include "models/model.h"

namespace sesame::bench {
namespace {

std::vector<std::size_t> expected_labels(const Subject& subject, std::span<const models::LabelledText> data) {
  if (subject.model->labels().empty()) {
    throw Error(subject.path + ": expected a classifier for labelled texts, found a model without labels");
  }
  return models::label_indices(data, subject.model->labels());
}

TokenBatch tokens_of(const LoadedModel& model, const std::string& text) {
  const Encoding encoding = model.tokenizer->encode(text, {.max_length = model.max_tokens});
  TokenBatch batch;
  batch.add(encoding.ids, encoding.type_ids);
  return batch;
}

}  // namespace

double accuracy_one_by_one(const Subject& subject, std::span<const models::LabelledText> data, int threads) {
  const auto expected = expected_labels(subject, data);
  Session session(subject.model, {.threads = threads});
  std::vector<std::size_t> predicted;
  for (const auto& each : data) predicted.push_back(session.classify(each.text).label_id);
  return models::matching_share(predicted, expected);
}

double peer_accuracy_one_by_one(const Subject& subject, const Peers& peers, std::span<const models::LabelledText> data,
                                int threads) {
  const auto expected = expected_labels(subject, data);
  const LoadedModel& model = subject.model->loaded();
  if (!model.tokenizer) throw Error(subject.path + ": expected a tokenizer beside the model, found none");
  QuantizedCopies copies(model.onnx_file, std::nullopt);  // none is made: ONNX Runtime reads the same file
  PeerEntry entry = peer_entries(peers, subject, copies).at(0);
  entry.model.threads = threads;
  PeerContestant peer(entry.argv, {}, entry.model);
  std::vector<std::size_t> predicted;
  for (const auto& each : data) {
    const std::vector<float> logits = peer.answer(tokens_of(model, each.text)).at(0).values;
    predicted.push_back(static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin()));
  }
  return models::matching_share(predicted, expected);
}

}  // namespace sesame::bench
