// A classifier's accuracy, a text at a time: graphs with a scale a tensor answer by their batch.
#pragma once

#include <span>

#include "bench/peers.h"
#include "bench/subject.h"
#include "models/eval/labelled_data.h"

namespace sesame::bench {

// The share of the texts that are answered with their label. Throws Error when the model is no classifier.
double accuracy_one_by_one(const Subject& subject, std::span<const models::LabelledText> data, int threads);

// The same of ONNX Runtime on the same file, with our tokens.
double peer_accuracy_one_by_one(const Subject& subject, const Peers& peers, std::span<const models::LabelledText> data,
                                int threads);

}  // namespace sesame::bench
