// What a made-up model is asked to be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sesame::models::synthesis {

enum class Task { encoder, sequence_classification, token_classification, question_answering, masked_lm };

// As the command line and Hugging Face spell them: "sequence-classification". Throws Error for another name.
std::string_view name(Task task);
Task task_of(std::string_view name);
inline bool has_labels(Task task) {
  return task == Task::sequence_classification || task == Task::token_classification;
}

struct ModelSpec {
  std::string architecture;
  Task task = Task::sequence_classification;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t ffn = 0;
  std::int64_t vocab = 30522;
  std::int64_t max_positions = 512;
  std::int64_t labels = 2;  // of the classification tasks
  // Sizes that some architectures have besides; 0 in those that don't.
  std::int64_t embedding = 0;      // width of the embeddings
  std::int64_t bottleneck = 0;     // width inside a MobileBERT layer
  std::int64_t feed_forwards = 0;  // of a MobileBERT layer
  std::int64_t buckets = 0;        // of relative positions, on either side
  std::uint64_t seed = 1;
};

std::vector<std::string> architecture_names();

// The architecture's published sizes and usual task. Throws Error that lists the names for an unknown one.
ModelSpec published_spec(std::string_view architecture);

// Throws Error when no such model can be made: a size outside its range, heads that do not divide hidden, a vocabulary
// too small for its special tokens and ASCII, more than 2^31 parameters, a task that the architecture does not have.
void check(const ModelSpec& spec);

}  // namespace sesame::models::synthesis
