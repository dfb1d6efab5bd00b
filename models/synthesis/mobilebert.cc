// MobileBERT (Sun et al., "MobileBERT: a Compact Task-Agnostic BERT for Resource-Limited Devices", 2020) as
// transformers' modules name it: bottlenecks, stacked feed-forward networks, a gain and a shift in LayerNorm's place.
#include <limits>

#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

using engine::Tensor;
using Integers = std::vector<std::int64_t>;

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kTokenTypes = 2;

// x * weight + bias
ValueId no_norm(const Module& module, ValueId x, std::int64_t size) {
  const ValueId scaled = module.add("Mul", {x, module.parameter("weight", {size}, kGain)});
  return module.add("Add", {scaled, module.parameter("bias", {size}, kShift)});
}

class MobileBert {
 public:
  MobileBert(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder), spec_(spec), model_(encoder_root(builder, spec, "mobilebert")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId token_type_ids = builder_.ids_input("token_type_ids");
    mask_ = additive_mask(model_, attention_mask);
    ValueId states = embeddings(input_ids, token_type_ids);
    for (std::int64_t i = 0; i < spec_.layers; ++i) {
      states = layer(model_.child("encoder").child("layer." + std::to_string(i)), states);
    }
    head(states);
  }

 private:
  ValueId embeddings(ValueId input_ids, ValueId token_type_ids) {
    const Module module = model_.child("embeddings");
    const ValueId length = sequence_length(module, input_ids);
    const ValueId numbers = module.parameter("position_ids", position_numbers(spec_.max_positions));
    const ValueId positions = first_positions(module, numbers, length);
    const Module words = module.child("word_embeddings");
    word_table_ = words.parameter("weight", {spec_.vocab, spec_.embedding}, kKernel);
    const ValueId word = words.add("Gather", {word_table_, input_ids});
    // Each token beside the next and the one before, [batch, seq, 3 * embedding].
    const ValueId next = padded(module, sliced(module, word, 1, kEnd), {0, 0, 0, 1, 0, 0});
    const ValueId before = padded(module, sliced(module, word, 0, -1), {0, 0, 1, 0, 0, 0});
    const ValueId three = module.add("Concat", {next, word, before}, {{"axis", std::int64_t{2}}});
    const ValueId wide = linear(module.child("embedding_transformation"), three, 3 * spec_.embedding, spec_.hidden);
    const ValueId position =
        embedding(module.child("position_embeddings"), positions, spec_.max_positions, spec_.hidden);
    const ValueId type = embedding(module.child("token_type_embeddings"), token_type_ids, kTokenTypes, spec_.hidden);
    const ValueId placed = module.add("Add", {wide, position});
    return no_norm(module.child("LayerNorm"), module.add("Add", {placed, type}), spec_.hidden);
  }

  static ValueId sliced(const Module& module, ValueId x, std::int64_t begin, std::int64_t end) {
    return module.add("Slice", {x, module.list({begin}), module.list({end}), module.list({1}), module.list({1})});
  }

  // torch lists the amounts from the last axis on, ONNX from the first: the exporter turns them round as it goes.
  static ValueId padded(const Module& module, ValueId x, const Integers& amounts) {
    const ValueId none = module.list({0});
    const ValueId nothing = module.add("ConstantOfShape", {none}, {{"value", Tensor::of<std::int64_t>({1}, {0})}});
    const ValueId listed = concat(module, {module.list(amounts), nothing});
    const ValueId pairs = reshape(module, listed, module.list({-1, 2}));
    const ValueId turned =
        module.add("Slice", {pairs, module.list({-1}), module.list({-kEnd}), module.list({0}), module.list({-1})});
    const ValueId sides = module.add("Transpose", {turned}, {{"perm", Integers{1, 0}}});
    const ValueId flat = reshape(module, sides, module.list({-1}));
    const ValueId whole = module.add("Cast", {flat}, {{"to", std::int64_t{7}}});
    return module.add("Pad", {x, whole, module.scalar(0.0f)}, {{"mode", std::string("constant")}});
  }

  ValueId layer(const Module& module, ValueId x) {
    const Module bottleneck = module.child("bottleneck");
    const ValueId inner = narrowed(bottleneck.child("input"), x);
    const ValueId shared = narrowed(bottleneck.child("attention"), x);
    const ValueId attended = attention(module.child("attention").child("self"), shared, x);
    ValueId middle = output(module.child("attention").child("output"), attended, spec_.bottleneck, inner);
    for (std::int64_t i = 0; i + 1 < spec_.feed_forwards; ++i) {
      const Module ffn = module.child("ffn." + std::to_string(i));
      middle = output(ffn.child("output"), activated(ffn.child("intermediate"), middle), spec_.ffn, middle);
    }
    const ValueId active = activated(module.child("intermediate"), middle);
    const ValueId narrow = output(module.child("output"), active, spec_.ffn, middle);
    const Module widening = module.child("output").child("bottleneck");
    const ValueId wide = linear(widening.child("dense"), narrow, spec_.bottleneck, spec_.hidden);
    return no_norm(widening.child("LayerNorm"), widening.add("Add", {wide, x}), spec_.hidden);
  }

  ValueId narrowed(const Module& module, ValueId x) {
    return no_norm(module.child("LayerNorm"), linear(module.child("dense"), x, spec_.hidden, spec_.bottleneck),
                   spec_.bottleneck);
  }

  ValueId activated(const Module& module, ValueId x) {
    const ValueId inner = linear(module.child("dense"), x, spec_.bottleneck, spec_.ffn);
    return module.child("intermediate_act_fn").add("Relu", {inner});
  }

  ValueId output(const Module& module, ValueId x, std::int64_t width, ValueId residual) {
    const ValueId dense = linear(module.child("dense"), x, width, spec_.bottleneck);
    return no_norm(module.child("LayerNorm"), module.add("Add", {dense, residual}), spec_.bottleneck);
  }

  ValueId attention(const Module& module, ValueId shared, ValueId x) {
    const std::int64_t width = spec_.bottleneck;
    const ValueId query = linear(module.child("query"), shared, width, width);
    const ValueId key = linear(module.child("key"), shared, width, width);
    const ValueId value = linear(module.child("value"), x, spec_.hidden, width);
    const ValueId queries = by_head(module, split_heads(module, query, spec_.heads, width));
    const ValueId keys = split_heads(module, key, spec_.heads, width);
    const ValueId values = by_head(module, split_heads(module, value, spec_.heads, width));
    return bert_attention_core(module, queries, keys, values, mask_, width / spec_.heads, width);
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        encoder_head(builder_, states, spec_);
        return builder_.output(first_token(model_.child("pooler"), states), "pooler_output", {kBatch, spec_.hidden});
      case Task::sequence_classification:
        return sequence_classification_head(builder_, pooler(states), spec_);
      case Task::token_classification:
        return token_classification_head(builder_, states, spec_);
      case Task::question_answering:
        return question_answering_head(builder_, states, spec_);
      case Task::masked_lm:
        return masked_lm_head(states);
    }
  }

  ValueId pooler(ValueId states) {
    const Module module = model_.child("pooler");
    const ValueId first = first_token(module, states);
    return module.add("Tanh", {gemm(module.child("dense"), first, spec_.hidden, spec_.hidden)});
  }

  // The decoder's first rows are the word table's columns, the others its own.
  void masked_lm_head(ValueId states) {
    const Module predictions = builder_.root().child("cls").child("predictions");
    const Module transform = predictions.child("transform");
    const ValueId dense = linear(transform.child("dense"), states, spec_.hidden, spec_.hidden);
    const ValueId active = transform.child("transform_act_fn").add("Relu", {dense});
    const ValueId normal = layer_norm(transform.child("LayerNorm"), active, spec_.hidden);
    const Tensor tied = transposed(predictions.tensor(word_table_));
    Tensor weight = predictions.tensor(predictions.parameter("decoder", {spec_.hidden, spec_.vocab}, kKernel)).clone();
    std::copy_n(tied.data<float>(), std::min(tied.size(), weight.size()), weight.data<float>());
    const ValueId product = predictions.add("MatMul", {normal, predictions.folded_weight(std::move(weight))});
    const ValueId logits = predictions.add("Add", {product, predictions.parameter("bias", {spec_.vocab}, kBias)});
    builder_.output(logits, "logits", {kBatch, kSequence, spec_.vocab});
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  Module model_;
  ValueId mask_ = engine::kNoValue;
  ValueId word_table_ = engine::kNoValue;
};

nlohmann::ordered_json config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("MobileBert", spec.task)}},
      {"model_type", "mobilebert"},
      {"embedding_size", spec.embedding},
      {"hidden_act", "relu"},
      {"hidden_size", spec.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", spec.ffn},
      {"intra_bottleneck_size", spec.bottleneck},
      {"key_query_shared_bottleneck", true},
      {"layer_norm_eps", 1e-12},
      {"max_position_embeddings", spec.max_positions},
      {"normalization_type", "no_norm"},
      {"num_attention_heads", spec.heads},
      {"num_feedforward_networks", spec.feed_forwards},
      {"num_hidden_layers", spec.layers},
      {"pad_token_id", 0},
      {"torch_dtype", "float32"},
      {"trigram_input", true},
      {"true_hidden_size", spec.bottleneck},
      {"type_vocab_size", kTokenTypes},
      {"use_bottleneck", true},
      {"use_bottleneck_attention", false},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture mobilebert() {
  ModelSpec published;  // mobilebert-uncased
  published.architecture = "mobilebert";
  published.hidden = 512;
  published.layers = 24;
  published.heads = 4;
  published.ffn = 512;
  published.embedding = 128;
  published.bottleneck = 128;
  published.feed_forwards = 4;
  return {published, all_tasks(), "MobileBertTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { MobileBert(builder, spec).build(); }, config};
}

}  // namespace sesame::models::synthesis
