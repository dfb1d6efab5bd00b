// The tasks, one file each.
#pragma once

#include <memory>

#include "bench/tasks/task.h"
#include "models/eval/entities.h"
#include "models/eval/examples.h"
#include "models/eval/masked_tokens.h"
#include "models/eval/squad.h"

namespace sesame::bench {

// Classes of texts or pairs: accuracy; with two classes also F1 of the second and Matthews' correlation, which comes
// first for CoLA; with "oos" among the labels also the accuracy without it.
std::unique_ptr<Task> make_classification_task(const models::ExampleFile& data, const LoadedModel& model);

// Scores of pairs from one logit: Pearson and Spearman.
std::unique_ptr<Task> make_regression_task(const models::ExampleFile& data, const LoadedModel& model);

// Scores of pairs from the cosine of their embeddings: Spearman and Pearson. An embedding is the model's 2-dimensional
// output where it has one, else the mean of the last hidden states over the real tokens.
std::unique_ptr<Task> make_embedding_task(const models::ExampleFile& data, const LoadedModel& model);

// Answers in a context: EM and F1. Long contexts are cut into windows that overlap by 128 tokens; of the 20 best starts
// and ends of each the best pair of at most 30 tokens counts.
std::unique_ptr<Task> make_squad_task(const std::vector<models::SquadExample>& data, const LoadedModel& model);

// A tag for each word, read at its first token: F1 of the entities, precision, recall, accuracy of the tags.
std::unique_ptr<Task> make_entity_task(const std::vector<models::TaggedSentence>& data, const LoadedModel& model);

// Tokens that were masked, one answer each: accuracy, and the perplexity of what was there, exp(-mean log p).
std::unique_ptr<Task> make_masked_token_task(std::vector<models::MaskedRow> data);

// Shared: a row of a text or pair, cut to what the model takes; the tokenizer, or an Error that there is none.
TokenRow encode_row(const LoadedModel& model, const models::Example& example);
const Tokenizer& tokenizer_of(const LoadedModel& model);

// The output with this name, else the first of this many dimensions. Throws Error when there is none.
const RowOutput& find_output(std::span<const RowOutput> outputs, std::string_view name, std::size_t dimensions);

std::size_t argmax(std::span<const float> values);  // the first of the largest; 0 for none

}  // namespace sesame::bench
