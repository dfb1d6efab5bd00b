// A classifier's labels, a text at a time: graphs with a scale a tensor answer by their batch.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bench/peers.h"
#include "bench/subject.h"
#include "models/eval/labelled_data.h"

namespace sesame::bench {

// The label index of each text. Throws Error when the model is no classifier, or has no tokenizer.
std::vector<std::size_t> labels_one_by_one(const Subject& subject, std::span<const models::LabelledText> data,
                                           int threads);

// The same of ONNX Runtime on the same file, with our tokens.
std::vector<std::size_t> peer_labels_one_by_one(const Subject& subject, const Peers& peers,
                                                std::span<const models::LabelledText> data, int threads);

// The share of the texts whose label is the one in the data.
double accuracy_of(std::span<const std::size_t> labels, const Subject& subject,
                   std::span<const models::LabelledText> data);

}  // namespace sesame::bench
