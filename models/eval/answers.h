// A classifier's answers to labelled texts, and how two models' answers differ.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "models/eval/labelled_data.h"
#include "sesame/sesame.h"

namespace sesame::models {

struct Answers {
  std::vector<std::size_t> labels;  // the index of each text's
  std::vector<float> logits;        // of all texts, one behind the other
};

// Throws Error when the model is no classifier.
Answers answer_texts(const std::shared_ptr<const Model>& model, std::span<const LabelledText> data, int threads,
                     const std::function<void(double share)>& progress = {});

// 10 log10(sum reference^2 / sum (reference - x)^2), in decibels; infinity where they are equal.
double signal_to_noise(std::span<const float> reference, std::span<const float> x);

}  // namespace sesame::models
