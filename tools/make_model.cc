#include "models/synthesis/make_model.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sesame/error.h"
#include "tools/commands.h"

namespace sesame::tools {

namespace {

namespace synthesis = models::synthesis;

struct MakeModelOptions {
  std::string architecture;
  std::string folder;
  std::optional<std::string> task;
  std::optional<std::int64_t> hidden, layers, heads, ffn, vocab, max_positions, labels;
  std::optional<std::int64_t> embedding, bottleneck, feed_forwards, buckets;
  std::optional<std::uint64_t> seed;
};

// The published sizes with what the user asked for in their place.
synthesis::ModelSpec spec_of(const MakeModelOptions& options) {
  synthesis::ModelSpec spec = synthesis::published_spec(options.architecture);
  if (options.task) spec.task = synthesis::task_of(*options.task);
  spec.hidden = options.hidden.value_or(spec.hidden);
  spec.layers = options.layers.value_or(spec.layers);
  spec.heads = options.heads.value_or(spec.heads);
  spec.ffn = options.ffn.value_or(spec.ffn);
  spec.vocab = options.vocab.value_or(spec.vocab);
  spec.max_positions = options.max_positions.value_or(spec.max_positions);
  spec.labels = options.labels.value_or(spec.labels);
  spec.embedding = options.embedding.value_or(spec.embedding);
  spec.bottleneck = options.bottleneck.value_or(spec.bottleneck);
  spec.feed_forwards = options.feed_forwards.value_or(spec.feed_forwards);
  spec.buckets = options.buckets.value_or(spec.buckets);
  spec.seed = options.seed.value_or(spec.seed);
  if (options.labels && !synthesis::has_labels(spec.task)) {
    throw Error("labels: task '" + std::string(synthesis::name(spec.task)) + "' has none");
  }
  synthesis::check(spec);
  return spec;
}

int run_make_model(const MakeModelOptions& options) {
  synthesis::ModelSpec spec;
  try {
    spec = spec_of(options);
  } catch (const Error& error) {  // about the flags, not about a file
    throw UsageError(error.what());
  }
  synthesis::make_model(spec, options.folder);
  return 0;
}

}  // namespace

void add_make_model_command(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<MakeModelOptions>();
  CLI::App* command = app.add_subcommand("make-model", "Write a model of a known shape with seeded random weights");
  std::string architectures;
  for (const std::string& name : synthesis::architecture_names())
    architectures += (architectures.empty() ? "" : ", ") + name;
  command->add_option("ARCH", options->architecture, "Architecture: " + architectures)->required();
  command->add_option("-o,--output", options->folder, "Folder to write into")->required();
  command->add_option("--task", options->task,
                      "sequence-classification, encoder, token-classification, question-answering or masked-lm");
  command->add_option("--hidden", options->hidden, "Hidden size");
  command->add_option("--layers", options->layers, "Encoder layers");
  command->add_option("--heads", options->heads, "Attention heads, a divisor of the hidden size");
  command->add_option("--ffn", options->ffn, "Inner size of the feed-forward network");
  command->add_option("--vocab", options->vocab, "Pieces in the vocabulary");
  command->add_option("--max-positions", options->max_positions, "Longest text in tokens");
  command->add_option("--labels", options->labels, "Labels of a classification task");
  command->add_option("--embedding", options->embedding, "Width of the embeddings (albert, electra, mobilebert)");
  command->add_option("--bottleneck", options->bottleneck, "Width inside a layer (mobilebert)");
  command->add_option("--feed-forwards", options->feed_forwards, "Feed-forward networks of a layer (mobilebert)");
  command->add_option("--buckets", options->buckets, "Buckets of relative positions (deberta-v3)");
  command->add_option("--seed", options->seed, "Seed of the weights and the vocabulary (1)")
      ->check(CLI::NonNegativeNumber);
  command->footer(
      "Sizes left out are the published ones: distilbert-base, bert-base, MiniLM-L6-H384, albert-base-v2,\n"
      "electra-base, roberta-base, mobilebert, deberta-v3-base.\n"
      "Examples:\n"
      "  sesame make-model distilbert -o d\n"
      "  sesame make-model bert -o tiny --hidden 64 --layers 2 --heads 4 --ffn 256 --vocab 1000 --labels 5\n");
  command->callback([options, &chosen] { chosen = [options] { return run_make_model(*options); }; });
}

}  // namespace sesame::tools
