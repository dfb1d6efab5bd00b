// DistilBERT (Sanh et al., "DistilBERT, a distilled version of BERT", 2019) as transformers' modules name it.
#include <cmath>
#include <limits>

#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

using engine::Tensor;
using Integers = std::vector<std::int64_t>;

class DistilBert {
 public:
  DistilBert(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder), spec_(spec), model_(encoder_root(builder, spec, "distilbert")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    attention_mask_ = builder_.ids_input("attention_mask");
    ValueId states = embeddings(input_ids);
    for (std::int64_t i = 0; i < spec_.layers; ++i) {
      states = layer(model_.child("transformer").child("layer." + std::to_string(i)), states);
    }
    head(states);
  }

 private:
  ValueId embeddings(ValueId input_ids) {
    const Module module = model_.child("embeddings");
    const Module words = module.child("word_embeddings");
    // The exporter merges the head's index of the first token with an earlier zero, which it keeps here.
    if (spec_.task == Task::sequence_classification) first_token_ = words.scalar(std::int64_t{0});
    word_table_ = words.parameter("weight", {spec_.vocab, spec_.hidden}, kKernel);
    const ValueId word = words.add("Gather", {word_table_, input_ids});
    const ValueId length = sequence_length(module, word);
    const ValueId numbers = module.nameless_constant("Slice", position_numbers(spec_.max_positions));
    const ValueId positions = first_positions(module, numbers, length);
    const ValueId position =
        embedding(module.child("position_embeddings"), positions, spec_.max_positions, spec_.hidden);
    const ValueId sum = module.add("Add", {word, position});
    return layer_norm(module.child("LayerNorm"), sum, spec_.hidden);  // [batch, seq, hidden]
  }

  ValueId layer(const Module& module, ValueId x) {
    const ValueId attended = attention(module.child("attention"), x);
    const ValueId attention_sum = module.add("Add", {attended, x});
    const ValueId middle = layer_norm(module.child("sa_layer_norm"), attention_sum, spec_.hidden);
    const Module ffn = module.child("ffn");
    const ValueId inner = linear(ffn.child("lin1"), middle, spec_.hidden, spec_.ffn);  // [batch, seq, ffn]
    const ValueId active = gelu(ffn.child("activation"), inner);
    const ValueId outer = linear(ffn.child("lin2"), active, spec_.ffn, spec_.hidden);
    const ValueId ffn_sum = module.add("Add", {outer, middle});
    return layer_norm(module.child("output_layer_norm"), ffn_sum, spec_.hidden);
  }

  ValueId attention(const Module& module, ValueId x) {
    const ValueId batch = dimension(module, x, 0);
    const ValueId seq = dimension(module, x, 1);
    const ValueId query = linear(module.child("q_lin"), x, spec_.hidden, spec_.hidden);
    const ValueId query_shape = heads_shape(module, batch);
    const ValueId key_shape = heads_shape(module, batch);
    const ValueId value_shape = heads_shape(module, batch);
    const ValueId queries = by_head(module, reshape(module, query, query_shape));  // [batch, heads, seq, head_dim]
    const ValueId key = linear(module.child("k_lin"), x, spec_.hidden, spec_.hidden);
    const ValueId keys = reshape(module, key, key_shape);  // [batch, seq, heads, head_dim]
    const ValueId value = linear(module.child("v_lin"), x, spec_.hidden, spec_.hidden);
    const ValueId values = by_head(module, reshape(module, value, value_shape));
    const ValueId divisor = module.scalar(std::sqrt(static_cast<float>(spec_.hidden / spec_.heads)));
    const ValueId scaled = module.add("Div", {queries, divisor});
    const ValueId keys_transposed = module.add("Transpose", {keys}, {{"perm", Integers{0, 2, 3, 1}}});
    const ValueId scores = module.add("MatMul", {scaled, keys_transposed});  // [batch, heads, seq, seq]
    const ValueId masked = mask_scores(module, scores, batch, seq);
    const ValueId shares = module.add("Softmax", {masked}, {{"axis", std::int64_t{-1}}});
    const ValueId context = by_head(module, module.add("MatMul", {shares, values}));  // [batch, seq, heads, head_dim]
    const ValueId joined = reshape(module, context, joined_shape(module, batch));     // [batch, seq, hidden]
    return linear(module.child("out_lin"), joined, spec_.hidden, spec_.hidden);
  }

  // Where the mask is 0, the lowest float takes the score's place.
  ValueId mask_scores(const Module& module, ValueId scores, ValueId batch, ValueId seq) {
    if (padded_ == engine::kNoValue) {  // the exporter merges the layers' equal nodes into the first one's
      const ValueId zero = module.scalar(std::int64_t{0});
      padded_ = module.add("Equal", {attention_mask_, zero});
    }
    const ValueId batch_list = as_list(module, batch);
    const ValueId heads = module.list({1});
    const ValueId queries = module.list({1});
    const ValueId seq_list = as_list(module, seq);
    const ValueId shape = concat(module, {batch_list, heads, queries, seq_list});
    const ValueId padded = reshape(module, padded_, shape);
    const ValueId scores_shape = module.add("Shape", {scores});
    const ValueId expanded = module.add("Expand", {padded, scores_shape});
    const ValueId condition = module.add("Cast", {expanded}, {{"to", std::int64_t{9}}});  // bool
    const ValueId lowest = module.scalar(std::numeric_limits<float>::lowest());
    return module.add("Where", {condition, lowest, scores});
  }

  ValueId heads_shape(const Module& module, ValueId batch) {
    const ValueId first = as_list(module, batch);
    const ValueId rest = module.list({-1});
    const ValueId heads = module.list({spec_.heads});
    const ValueId head_dim = module.list({spec_.hidden / spec_.heads});
    return concat(module, {first, rest, heads, head_dim});
  }

  ValueId joined_shape(const Module& module, ValueId batch) {
    const ValueId first = as_list(module, batch);
    const ValueId rest = module.list({-1});
    const ValueId hidden = module.list({spec_.hidden});
    return concat(module, {first, rest, hidden});
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        return encoder_head(builder_, states, spec_);
      case Task::sequence_classification:
        return sequence_classification_head(states);
      case Task::token_classification:
        return token_classification_head(builder_, states, spec_);
      case Task::question_answering:
        return question_answering_head(builder_, states, spec_);
      case Task::masked_lm:
        return masked_lm_head(states);
    }
  }

  void sequence_classification_head(ValueId states) {
    const Module root = builder_.root();
    const ValueId first = root.add("Gather", {states, first_token_}, {{"axis", std::int64_t{1}}});
    const ValueId dense = gemm(root.child("pre_classifier"), first, spec_.hidden, spec_.hidden);
    const ValueId active = root.add("Relu", {dense});
    const ValueId logits = gemm(root.child("classifier"), active, spec_.hidden, spec_.labels);
    builder_.output(logits, "logits", {kBatch, spec_.labels});
  }

  void masked_lm_head(ValueId states) {
    const Module root = builder_.root();
    const ValueId dense = linear(root.child("vocab_transform"), states, spec_.hidden, spec_.hidden);
    const ValueId active = gelu(root.child("activation"), dense);
    const ValueId normal = layer_norm(root.child("vocab_layer_norm"), active, spec_.hidden);
    const Module projector = root.child("vocab_projector");
    const ValueId bias = projector.parameter("bias", {spec_.vocab}, kBias);
    const ValueId logits = tied_decoder(projector, normal, word_table_, bias);
    builder_.output(logits, "logits", {kBatch, kSequence, spec_.vocab});
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  Module model_;
  ValueId attention_mask_ = engine::kNoValue;
  ValueId word_table_ = engine::kNoValue;
  ValueId first_token_ = engine::kNoValue;
  ValueId padded_ = engine::kNoValue;  // attention_mask == 0
};

void build(GraphBuilder& builder, const ModelSpec& spec) { DistilBert(builder, spec).build(); }

nlohmann::ordered_json config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("DistilBert", spec.task)}},
      {"model_type", "distilbert"},
      {"activation", "gelu"},
      {"dim", spec.hidden},
      {"hidden_dim", spec.ffn},
      {"initializer_range", 0.02},
      {"max_position_embeddings", spec.max_positions},
      {"n_heads", spec.heads},
      {"n_layers", spec.layers},
      {"pad_token_id", 0},
      {"sinusoidal_pos_embds", false},
      {"torch_dtype", "float32"},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture distilbert() {
  ModelSpec published;  // distilbert-base-uncased
  published.architecture = "distilbert";
  published.hidden = 768;
  published.layers = 6;
  published.heads = 12;
  published.ffn = 3072;
  return {published, all_tasks(), "DistilBertTokenizer", build, config};
}

}  // namespace sesame::models::synthesis
