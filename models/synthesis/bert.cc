// BERT (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2018) as transformers' modules name it.
#include "models/synthesis/architecture.h"
#include "models/synthesis/blocks.h"

namespace sesame::models::synthesis {

namespace {

using Integers = std::vector<std::int64_t>;

constexpr std::int64_t kTokenTypes = 2;

// The encoder alone is the root; a model with a head holds it by name.
Module encoder_root(GraphBuilder& builder, const ModelSpec& spec) {
  return spec.task == Task::encoder ? builder.root() : builder.root().child("bert");
}

class Bert {
 public:
  Bert(GraphBuilder& builder, const ModelSpec& spec, bool pooler)
      : builder_(builder),
        spec_(spec),
        pooled_(spec.task == Task::sequence_classification || (spec.task == Task::encoder && pooler)),
        model_(encoder_root(builder, spec)) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId token_type_ids = builder_.ids_input("token_type_ids");
    // The exporter merges the pooler's index of the first token with an earlier zero, which it keeps here.
    if (pooled_) first_token_ = model_.scalar(std::int64_t{0});
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
    word_table_ = words.parameter("weight", {spec_.vocab, spec_.hidden}, kKernel);
    const ValueId word = words.add("Gather", {word_table_, input_ids});
    const ValueId type = embedding(module.child("token_type_embeddings"), token_type_ids, kTokenTypes, spec_.hidden);
    const ValueId typed = module.add("Add", {word, type});
    const ValueId position =
        embedding(module.child("position_embeddings"), positions, spec_.max_positions, spec_.hidden);
    const ValueId sum = module.add("Add", {typed, position});
    return layer_norm(module.child("LayerNorm"), sum, spec_.hidden);  // [batch, seq, hidden]
  }

  ValueId layer(const Module& module, ValueId x) {
    const ValueId context = attention(module.child("attention").child("self"), x);
    const ValueId middle = output(module.child("attention").child("output"), context, spec_.hidden, x);
    const Module intermediate = module.child("intermediate");
    const ValueId inner = linear(intermediate.child("dense"), middle, spec_.hidden, spec_.ffn);  // [batch, seq, ffn]
    const ValueId active = gelu(intermediate.child("intermediate_act_fn"), inner);
    return output(module.child("output"), active, spec_.ffn, middle);
  }

  // LayerNorm(x W + b + residual)
  ValueId output(const Module& module, ValueId x, std::int64_t width, ValueId residual) {
    const ValueId dense = linear(module.child("dense"), x, width, spec_.hidden);
    const ValueId sum = module.add("Add", {dense, residual});
    return layer_norm(module.child("LayerNorm"), sum, spec_.hidden);
  }

  ValueId attention(const Module& module, ValueId x) {
    const ValueId query = linear(module.child("query"), x, spec_.hidden, spec_.hidden);
    const ValueId key = linear(module.child("key"), x, spec_.hidden, spec_.hidden);
    const ValueId keys = split_heads(module, key);  // [batch, seq, heads, head_dim]
    const ValueId value = linear(module.child("value"), x, spec_.hidden, spec_.hidden);
    const ValueId values = by_head(module, split_heads(module, value));  // [batch, heads, seq, head_dim]
    const ValueId queries = by_head(module, split_heads(module, query));
    const ValueId keys_transposed = module.add("Transpose", {keys}, {{"perm", Integers{0, 2, 3, 1}}});
    const ValueId scores = module.add("MatMul", {queries, keys_transposed});  // [batch, heads, seq, seq]
    const ValueId divisor = scores_divisor(module, spec_);
    const ValueId scaled = module.add("Div", {scores, divisor});
    const ValueId masked = module.add("Add", {scaled, mask_});
    const ValueId shares = module.add("Softmax", {masked}, {{"axis", std::int64_t{-1}}});
    const ValueId context = by_head(module, module.add("MatMul", {shares, values}));  // [batch, seq, heads, head_dim]
    return reshape_rows(module, context, {spec_.hidden});                             // [batch, seq, hidden]
  }

  ValueId split_heads(const Module& module, ValueId x) {
    return reshape_rows(module, x, {spec_.heads, spec_.hidden / spec_.heads});
  }

  // x as [batch, seq, dimensions ...].
  ValueId reshape_rows(const Module& module, ValueId x, const Integers& dimensions) {
    const ValueId batch = dimension(module, x, 0);
    const ValueId seq = dimension(module, x, 1);
    const ValueId batch_list = as_list(module, batch);
    const ValueId seq_list = as_list(module, seq);
    std::vector<ValueId> parts = {batch_list, seq_list};
    for (const std::int64_t d : dimensions) parts.push_back(module.list({d}));
    const ValueId shape = module.add("Concat", parts, {{"axis", std::int64_t{0}}});
    return module.add("Reshape", {x, shape}, {{"allowzero", std::int64_t{0}}});
  }

  static ValueId by_head(const Module& module, ValueId x) {
    return module.add("Transpose", {x}, {{"perm", Integers{0, 2, 1, 3}}});
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        encoder_head(builder_, states, spec_);
        if (pooled_) builder_.output(pooler(states), "pooler_output", {kBatch, spec_.hidden});
        return;
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

  // tanh(W first_token + b), [batch, hidden]
  ValueId pooler(ValueId states) {
    const Module module = model_.child("pooler");
    const ValueId first = module.add("Gather", {states, first_token_}, {{"axis", std::int64_t{1}}});
    const ValueId dense = gemm(module.child("dense"), first, spec_.hidden, spec_.hidden);
    return module.child("activation").add("Tanh", {dense});
  }

  void sequence_classification_head(ValueId states) {
    const ValueId logits = gemm(builder_.root().child("classifier"), pooler(states), spec_.hidden, spec_.labels);
    builder_.output(logits, "logits", {kBatch, spec_.labels});
  }

  void masked_lm_head(ValueId states) {
    const Module predictions = builder_.root().child("cls").child("predictions");
    const Module transform = predictions.child("transform");
    const ValueId dense = linear(transform.child("dense"), states, spec_.hidden, spec_.hidden);
    const ValueId active = gelu(transform.child("transform_act_fn"), dense);
    const ValueId normal = layer_norm(transform.child("LayerNorm"), active, spec_.hidden);
    const Module decoder = predictions.child("decoder");
    const ValueId weight = decoder.folded_weight(transposed(decoder.tensor(word_table_)));
    const ValueId product = decoder.add("MatMul", {normal, weight});
    const ValueId logits = decoder.add("Add", {predictions.parameter("bias", {spec_.vocab}, kBias), product});
    builder_.output(logits, "logits", {kBatch, kSequence, spec_.vocab});
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  bool pooled_;
  Module model_;
  ValueId mask_ = engine::kNoValue;
  ValueId word_table_ = engine::kNoValue;
  ValueId first_token_ = engine::kNoValue;
};

const char* class_name(Task task) {
  switch (task) {
    case Task::encoder:
      return "BertModel";
    case Task::sequence_classification:
      return "BertForSequenceClassification";
    case Task::token_classification:
      return "BertForTokenClassification";
    case Task::question_answering:
      return "BertForQuestionAnswering";
    case Task::masked_lm:
      break;
  }
  return "BertForMaskedLM";
}

}  // namespace

void build_bert(GraphBuilder& builder, const ModelSpec& spec, bool pooler) { Bert(builder, spec, pooler).build(); }

nlohmann::ordered_json bert_config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name(spec.task)}},
      {"model_type", "bert"},
      {"hidden_act", "gelu"},
      {"hidden_size", spec.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", spec.ffn},
      {"layer_norm_eps", 1e-12},
      {"max_position_embeddings", spec.max_positions},
      {"num_attention_heads", spec.heads},
      {"num_hidden_layers", spec.layers},
      {"pad_token_id", 0},
      {"position_embedding_type", "absolute"},
      {"torch_dtype", "float32"},
      {"type_vocab_size", kTokenTypes},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

Architecture bert() {
  ModelSpec published;  // bert-base-uncased
  published.architecture = "bert";
  published.hidden = 768;
  published.layers = 12;
  published.heads = 12;
  published.ffn = 3072;
  return {published, all_tasks(), "BertTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { build_bert(builder, spec, true); }, bert_config};
}

}  // namespace sesame::models::synthesis
