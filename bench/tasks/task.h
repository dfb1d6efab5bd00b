// Labelled data and what an engine's outputs are worth on it, with the metrics of the reference implementations.
//
// A task turns its data into rows of tokens. An engine answers them batch by batch; of each row the task keeps some
// floats (logits, an embedding), and from those of all rows it works out its metrics and decisions.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/engines/contestant.h"
#include "bench/report.h"
#include "models/model.h"

namespace sesame::bench {

// One float output for one row: the real tokens' values where the output is over positions.
struct RowOutput {
  std::string_view name;
  std::span<const std::int64_t> shape;  // of the whole batch's output
  std::span<const float> values;
};

struct TokenRow {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;
};

using Answers = std::vector<std::vector<float>>;  // by row

enum class TaskKind { automatic, classification, regression, embeddings, entities, question_answering, masked_tokens };

// "classification", "question-answering", ..; parse_task also takes what people call them: ner, qa, mlm. Throws Error.
std::string_view name(TaskKind kind);
TaskKind parse_task(std::string_view text);

class Task {
 public:
  virtual ~Task() = default;

  const std::vector<TokenRow>& rows() const { return rows_; }

  // Whether the outputs that it reads have a value (or a vector) a token, [batch, tokens, ...].
  virtual bool is_over_positions() const = 0;

  // What it keeps of the outputs of row `row`. Throws Error when the output that it needs is not among them.
  virtual std::vector<float> keep(std::size_t row, std::span<const RowOutput> outputs) const = 0;

  // Of what was kept, the values whose distance from fp32's tells how much was lost.
  virtual std::span<const float> compared(std::size_t, std::span<const float> answer) const { return answer; }

  // The task's own metric first.
  virtual std::vector<Metric> metrics(const Answers& answers) const = 0;

  // One decision an example (a label, a span's text), for the agreement of two answers; none where there is nothing to
  // decide.
  virtual std::vector<std::string> decisions(const Answers& answers) const = 0;

 protected:
  std::vector<TokenRow> rows_;
};

// The task for this data and model, by the file's layout (models/eval/examples.h; JSON with "data": SQuAD; .conll, .bio
// and .iob: entities) and what the model gives: classes for a classifier, a number for regression, the cosine of mean
// hidden states for sentence pairs with a score where it has no head; .jsonl: masked tokens. Any file of texts is data
// for masked tokens where that is asked for: every 7th token is masked, at most 2,000 of them. Throws Error when data,
// model and the task that is asked for do not go together.
std::unique_ptr<Task> make_task(const std::filesystem::path& data, const LoadedModel& model,
                                TaskKind kind = TaskKind::automatic);

// Asks for all rows, `batch` at a time. `answer` gives the float outputs for a batch, padded on the right.
Answers answer_all(const Task& task, std::size_t batch,
                   const std::function<std::vector<NamedOutput>(const TokenBatch&)>& answer,
                   const std::function<void(double)>& tick);

// The same for some rows only, by number.
Answers answer_rows(const Task& task, std::span<const std::size_t> rows, std::size_t batch,
                    const std::function<std::vector<NamedOutput>(const TokenBatch&)>& answer,
                    const std::function<void(double)>& tick);

// How an answer differs from fp32's: "agreement" of the decisions, "logit_error" (largest), "snr_db" (of all kept
// floats, 10 log10 of the reference's power over the difference's), and "cosine_to_fp32" (the smallest row's).
std::vector<Metric> compare_with_reference(const Task& task, const Answers& answers, const Answers& reference);

}  // namespace sesame::bench
