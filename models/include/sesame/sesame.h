// Sesame: text in, answer out, for BERT-family models on CPUs.
//
//   auto model = sesame::Model::load("models/intent", {.precision = sesame::Precision::int8});
//   sesame::Session session(model);
//   for (const auto& answer : session.classify({"what's my checking balance", "wake me at seven"}))
//     std::cout << answer.label << ' ' << answer.score << '\n';
//
// One answer: the same text gives the same bits in any batch, with any padding, thread count and instruction set.
//
// Everything here throws sesame::Error with one line that explains. Nothing prints, exits or aborts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sesame/error.h"

namespace sesame {

struct LoadedModel;  // models/model.h

// Arithmetic of the encoder's Linears. `automatic` is what the file holds: fp32 weights run as fp32.
enum class Precision { automatic, fp32, int8 };

std::string_view name(Precision precision);
Precision parse_precision(std::string_view text);  // throws Error

// Arithmetic of the encoder's attention. `automatic` goes with the Linears: int8 beside int8, fp32 otherwise.
enum class AttentionPrecision { automatic, fp32, int8 };

std::string_view name(AttentionPrecision precision);
AttentionPrecision parse_attention_precision(std::string_view text);  // throws Error

struct ModelOptions {
  Precision precision = Precision::automatic;
  AttentionPrecision attention = AttentionPrecision::automatic;
};

// A model ready to answer: const, shared by threads and sessions.
class Model {
 public:
  // `path` is a folder in the Hugging Face layout (config.json, tokenizer files, model.onnx or onnx/model.onnx) or an
  // .onnx file, which has no tokenizer of its own unless its folder does; or a packed model (.sesame), which holds all
  // that it needs and is ready at once.
  static std::shared_ptr<const Model> load(const std::filesystem::path& path, const ModelOptions& options = {});

  // Labels by index, from config.json; "LABEL_i" where it names none. Empty when the model is no classifier.
  const std::vector<std::string>& labels() const;
  // The most tokens a text may have, special tokens included; longer texts are truncated, and the answer says so.
  std::size_t max_tokens() const;
  Precision precision() const;

  const LoadedModel& loaded() const { return *loaded_; }

  explicit Model(std::shared_ptr<const LoadedModel> loaded);

 private:
  std::shared_ptr<const LoadedModel> loaded_;
};

// A batch of token id sequences, ragged: sequence i is ids[row_offsets[i] .. row_offsets[i + 1]).
struct TokenBatch {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> type_ids;  // empty: all 0
  std::vector<std::size_t> row_offsets = {0};

  std::size_t size() const { return row_offsets.size() - 1; }
  void add(std::span<const std::int64_t> sequence, std::span<const std::int64_t> types = {});
};

struct Classification {
  std::size_t label_id = 0;
  std::string label;
  float score = 0;            // softmax over the labels
  std::vector<float> logits;  // one a label
  std::size_t tokens = 0;     // special tokens included, after truncation
  bool truncated = false;
};

// A result of Session::run: a float tensor, valid until the session's next call.
struct Output {
  std::string_view name;
  std::span<const std::int64_t> shape;
  std::span<const float> values;
};

struct SessionOptions {
  int threads = 1;  // OpenMP threads of one call, the calling thread included
};

// Scratch memory for one thread's calls. Not copyable: one per thread, all on the same Model.
class Session {
 public:
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // One answer a text, in order. Texts of any length go into one ragged batch: nothing is padded.
  std::vector<Classification> classify(std::span<const std::string_view> texts);
  std::vector<Classification> classify(std::initializer_list<std::string_view> texts);
  Classification classify(std::string_view text);
  std::vector<Classification> classify(const TokenBatch& batch);

  // The model's float outputs for token ids. Outputs over positions are [batch, longest, ...]; what they hold past a
  // sequence's end is unspecified. A model without an attention mask takes sequences of one length only.
  std::vector<Output> run(const TokenBatch& batch);

  // Gives scratch memory back to the system.
  void trim();

  const Model& model() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sesame
