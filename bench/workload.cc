#include "bench/workload.h"

#include <algorithm>
#include <random>

#include "engine/container.h"
#include "engine/graph.h"
#include "engine/onnx_reader.h"
#include "engine/packed_graph.h"
#include "models/tokenizers/tokenizer.h"

namespace sesame::bench {
namespace {

// Whether a node hands its first input's elements on, as far as ids and tables are concerned.
bool passes_through(const engine::Node& node) { return node.op == "Cast" || node.op == "Identity"; }

// Rows of the constant behind `table`, looking through what a quantized or half-precision table goes through; 0 for
// none.
std::int64_t table_rows(const engine::Graph& graph, const engine::Uses& uses, engine::ValueId table) {
  const engine::Node* node = nullptr;
  while (!graph.is_constant(table) && (node = uses.producer(table)) != nullptr) {
    if (!passes_through(*node) && node->op != "DequantizeLinear") return 0;
    table = node->input(0);
  }
  return graph.is_constant(table) && graph.constant(table).rank() > 0 ? graph.constant(table).dim(0) : 0;
}

// The rows of the smallest table that `ids` index, directly or through casts; 0 for none.
std::int64_t indexed_rows(const engine::Graph& graph, const engine::Uses& uses, engine::ValueId ids) {
  std::int64_t rows = 0;
  const auto keep_smallest = [&](std::int64_t found) {
    if (found > 0) rows = rows == 0 ? found : std::min(rows, found);
  };
  std::vector<engine::ValueId> same_ids = {ids};
  while (!same_ids.empty()) {
    const engine::ValueId value = same_ids.back();
    same_ids.pop_back();
    for (const int reader : uses.readers(value)) {
      const engine::Node& node = graph.nodes[static_cast<std::size_t>(reader)];
      if (node.op == "Gather" && node.input(1) == value) keep_smallest(table_rows(graph, uses, node.input(0)));
      if (node.op == "GatherBytes" && node.input(2) == value) keep_smallest(table_rows(graph, uses, node.input(0)));
      if (node.op == "EmbedLayerNormalization" && node.input(0) == value) {
        keep_smallest(table_rows(graph, uses, node.input(2)));
      }
      if (passes_through(node) && node.outputs[0] != engine::kNoValue) same_ids.push_back(node.outputs[0]);
    }
  }
  return rows;
}

}  // namespace

std::int64_t embedding_rows(const LoadedModel& model) {
  // The file's graph, not the plan's: there the table is inside a recognised step.
  const engine::Graph graph = engine::is_container(model.onnx_file)
                                  ? engine::read_graph(*engine::Container::open(model.onnx_file))
                                  : engine::read_onnx(model.onnx_file);
  const engine::Uses uses(graph);
  if (model.input_ids < 0) return 1;
  const engine::ValueId ids = graph.inputs[static_cast<std::size_t>(model.input_ids)];
  return std::max<std::int64_t>(1, indexed_rows(graph, uses, ids));
}

Workload fixed_length(const LoadedModel& model, std::size_t batch, std::size_t length) {
  std::mt19937_64 generator(0);
  const auto rows = static_cast<std::uint64_t>(embedding_rows(model));
  const auto with_specials = model.tokenizer ? model.tokenizer->encode("").ids : std::vector<std::int64_t>{};

  Workload workload{.batches = std::vector<TokenBatch>(1), .texts = {}};
  std::vector<std::int64_t> ids(length);
  for (std::size_t i = 0; i < batch; ++i) {
    // A remainder of 64 random bits is even enough here, and unlike uniform_int_distribution it is the same everywhere.
    std::ranges::generate(ids, [&] { return static_cast<std::int64_t>(generator() % rows); });
    if (with_specials.size() == 2 && length >= 2) {
      ids.front() = with_specials.front();
      ids.back() = with_specials.back();
    }
    workload.batches[0].add(ids);
  }
  return workload;
}

TokenBatch tokenize(const LoadedModel& model, std::span<const std::string_view> texts) {
  TokenBatch batch;
  for (const std::string_view text : texts) {
    const auto encoding = model.tokenizer->encode(text, {.max_length = model.max_tokens});
    batch.add(encoding.ids, encoding.type_ids);
  }
  return batch;
}

std::vector<std::string_view> sorted_by_length(const LoadedModel& model, std::span<const std::string_view> texts) {
  std::vector<std::pair<std::size_t, std::string_view>> measured;
  for (const std::string_view each : texts) {
    measured.emplace_back(model.tokenizer->encode(each, {.max_length = model.max_tokens}).ids.size(), each);
  }
  std::ranges::stable_sort(measured, {}, &std::pair<std::size_t, std::string_view>::first);
  std::vector<std::string_view> sorted;
  for (const auto& each : measured) sorted.push_back(each.second);
  return sorted;
}

Workload real_text(const LoadedModel& model, std::size_t batch, std::span<const std::string_view> texts) {
  Workload workload;
  for (std::size_t begin = 0; begin < texts.size(); begin += batch) {
    std::vector<std::string_view> some;
    for (std::size_t i = begin; i < begin + batch; ++i) some.push_back(texts[i % texts.size()]);
    workload.batches.push_back(tokenize(model, some));
    workload.texts.push_back(std::move(some));
  }
  return workload;
}

std::span<const std::string_view> everyday_sentences() {
  static constexpr std::string_view kSentences[] = {
      "what's the weather going to be like on saturday",
      "please move my dentist appointment to next thursday afternoon",
      "play something quiet while I cook",
      "how much did I spend on groceries last month, and was it more than the month before?",
      "turn the hall light off",
      "my card was declined at the station and I don't know why",
      "is there a vegetarian place near the museum that is open late",
      "thanks, that's all for now",
  };
  return kSentences;
}

std::vector<std::size_t> lengths(const TokenBatch& batch) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < batch.size(); ++i) lengths.push_back(batch.row_offsets[i + 1] - batch.row_offsets[i]);
  return lengths;
}

}  // namespace sesame::bench
