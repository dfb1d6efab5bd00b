// How good a classifier's answers are on labelled texts.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/report.h"
#include "models/eval/labelled_data.h"
#include "sesame/sesame.h"

namespace sesame::bench {

struct Accuracy {
  double overall = 0;
  std::optional<double> in_scope;  // without the texts labelled "oos", when there are such and others
};

Accuracy score(std::span<const std::size_t> predicted, std::span<const models::LabelledText> data,
               std::span<const std::string> labels);

// What one classifier answers to labelled texts, in each of its precisions.
class LabelledAnswers {
 public:
  // `data` must outlive this.
  LabelledAnswers(std::span<const models::LabelledText> data, int threads) : data_(data), threads_(threads) {}

  // Answers all texts with the model. Throws Error that names `path` when it is no classifier.
  void add(const std::string& path, const std::shared_ptr<const Model>& model);

  bool has(Precision precision) const { return predicted_.contains(precision); }

  // Fills in the figures of a precision that was added; the agreement only when fp32 was added too.
  void fill(Precision precision, Result& result) const;

 private:
  std::span<const models::LabelledText> data_;
  int threads_;
  std::vector<std::string> labels_;
  std::map<Precision, std::vector<std::size_t>> predicted_;  // label index a text
};

}  // namespace sesame::bench
