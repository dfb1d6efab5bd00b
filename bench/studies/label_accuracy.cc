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

void check_classifier(const Subject& subject) {
  if (subject.model->labels().empty()) {
    throw Error(subject.path + ": expected a classifier for labelled texts, found a model without labels");
  }
  if (!subject.model->loaded().tokenizer) {
    throw Error(subject.path + ": expected a tokenizer beside the model, found none");
  }
}

TokenBatch tokens_of(const LoadedModel& model, const std::string& text) {
  const Encoding encoding = model.tokenizer->encode(text, {.max_length = model.max_tokens});
  TokenBatch batch;
  batch.add(encoding.ids, encoding.type_ids);
  return batch;
}

}  // namespace

std::vector<std::size_t> labels_one_by_one(const Subject& subject, std::span<const models::LabelledText> data,
                                           int threads) {
  check_classifier(subject);
  Session session(subject.model, {.threads = threads});
  std::vector<std::size_t> labels;
  for (const auto& each : data) labels.push_back(session.classify(each.text).label_id);
  return labels;
}

std::vector<std::size_t> peer_labels_one_by_one(const Subject& subject, const Peers& peers,
                                                std::span<const models::LabelledText> data, int threads) {
  check_classifier(subject);
  const LoadedModel& model = subject.model->loaded();
  if (!model.tokenizer) throw Error(subject.path + ": expected a tokenizer beside the model, found none");
  QuantizedCopies copies(model.onnx_file, std::nullopt);  // none is made: ONNX Runtime reads the same file
  PeerEntry entry = peer_entries(peers, subject, copies).at(0);
  entry.model.threads = threads;
  PeerContestant peer(entry.argv, {}, entry.model);
  std::vector<std::size_t> labels;
  for (const auto& each : data) {
    const std::vector<float> logits = peer.answer(tokens_of(model, each.text)).at(0).values;
    labels.push_back(static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin()));
  }
  return labels;
}

double accuracy_of(std::span<const std::size_t> labels, const Subject& subject,
                   std::span<const models::LabelledText> data) {
  return models::matching_share(labels, models::label_indices(data, subject.model->labels()));
}

}  // namespace sesame::bench
