// What the bench asks of a model: token ids of a fixed length, or real text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"
#include "sesame/sesame.h"

namespace sesame::bench {

// Run i uses the i-th batch, starting over after the last.
struct Workload {
  std::vector<TokenBatch> batches;
  std::vector<std::vector<std::string_view>> texts;  // of the batches when tokenizing is to be timed too, else empty

  bool is_text() const { return !texts.empty(); }
  const TokenBatch& batch(std::size_t run) const { return batches[run % batches.size()]; }
};

// Rows of the table that the graph's input_ids choose from; 1 when there is none to be found, so that id 0 stays valid.
std::int64_t embedding_rows(const LoadedModel& model);

// One batch of `batch` sequences with `length` tokens each, special ones counted. Ids are drawn evenly below
// embedding_rows() from a generator with a fixed seed; the first is [CLS] and the last [SEP] where the tokenizer has
// them.
Workload fixed_length(const LoadedModel& model, std::size_t batch, std::size_t length);

// The texts in their order, `batch` at a time; the last batch is filled up from the start. The model needs a tokenizer.
Workload real_text(const LoadedModel& model, std::size_t batch, std::span<const std::string_view> texts);

// One ragged batch, cut to what the model takes. The model needs a tokenizer.
TokenBatch tokenize(const LoadedModel& model, std::span<const std::string_view> texts);

// A few sentences of everyday length, for timing text where no file was given.
std::span<const std::string_view> everyday_sentences();

// Tokens of each sequence.
std::vector<std::size_t> lengths(const TokenBatch& batch);

}  // namespace sesame::bench
