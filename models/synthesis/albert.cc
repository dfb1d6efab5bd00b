// ALBERT (Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations", 2019) as
// transformers' modules name it: narrow embeddings, and one layer that is called again and again.
#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

class Albert {
 public:
  Albert(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder), spec_(spec), model_(encoder_root(builder, spec, "albert")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId token_type_ids = builder_.ids_input("token_type_ids");
    mask_ = additive_mask(model_, attention_mask);
    const BertEmbeddings embeddings =
        bert_embeddings(model_.child("embeddings"), input_ids, token_type_ids, spec_.embedding, spec_);
    word_table_ = embeddings.word_table;
    const Module encoder = model_.child("encoder");
    ValueId states =
        linear(encoder.child("embedding_hidden_mapping_in"), embeddings.states, spec_.embedding, spec_.hidden);
    const Module layer_module = encoder.child("albert_layer_groups.0").child("albert_layers.0");
    for (std::int64_t i = 0; i < spec_.layers; ++i) states = layer(layer_module, i, states);
    head(states);
  }

 private:
  // The layer's call number `call`.
  ValueId layer(const Module& module, std::int64_t call, ValueId x) {
    const ValueId middle = attention(module.child("attention"), call, x);
    const ValueId inner = linear(module.child("ffn").again(call), middle, spec_.hidden, spec_.ffn);
    const ValueId active = gelu_new(module.child("activation").again(call), inner);
    const ValueId outer = linear(module.child("ffn_output").again(call), active, spec_.ffn, spec_.hidden);
    const ValueId sum = module.again(call).add("Add", {outer, middle});
    return layer_norm(module.child("full_layer_layer_norm").again(call), sum, spec_.hidden);
  }

  ValueId attention(const Module& module, std::int64_t call, ValueId x) {
    const auto projected = [&](const char* name) {
      return linear(module.child(name).again(call), x, spec_.hidden, spec_.hidden);
    };
    const ValueId query = projected("query"), key = projected("key"), value = projected("value");
    const Module self = module.again(call);
    const ValueId queries = by_head(self, split_heads(self, query, spec_.heads, spec_.hidden));
    const ValueId keys = split_heads(self, key, spec_.heads, spec_.hidden);
    const ValueId values = by_head(self, split_heads(self, value, spec_.heads, spec_.hidden));
    const ValueId context = bert_attention_core(self, queries, keys, values, mask_, spec_.hidden / spec_.heads, 0);
    const ValueId shape = self.add("Shape", {context});
    const ValueId rows = self.add("Slice", {shape, self.list({0}), self.list({2}), self.list({0})});
    const ValueId merged = reshape(self, context, concat(self, {rows, self.list({-1})}));
    const ValueId dense = linear(module.child("dense").again(call), merged, spec_.hidden, spec_.hidden);
    const ValueId sum = self.add("Add", {x, dense});
    return layer_norm(module.child("LayerNorm").again(call), sum, spec_.hidden);
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        encoder_head(builder_, states, spec_);
        return builder_.output(pooler(states), "pooler_output", {kBatch, spec_.hidden});
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
    const ValueId dense = gemm(model_.child("pooler"), first_token(model_, states), spec_.hidden, spec_.hidden);
    return model_.child("pooler_activation").add("Tanh", {dense});
  }

  void masked_lm_head(ValueId states) {
    const Module predictions = builder_.root().child("predictions");
    const ValueId dense = linear(predictions.child("dense"), states, spec_.hidden, spec_.embedding);
    const ValueId active = gelu_new(predictions.child("activation"), dense);
    const ValueId normal = layer_norm(predictions.child("LayerNorm"), active, spec_.embedding);
    const ValueId bias = predictions.parameter("bias", {spec_.vocab}, kBias);
    const ValueId logits = tied_decoder(predictions.child("decoder"), normal, word_table_, bias);
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
      {"architectures", {class_name("Albert", spec.task)}},
      {"model_type", "albert"},
      {"embedding_size", spec.embedding},
      {"hidden_act", "gelu_new"},
      {"hidden_size", spec.hidden},
      {"initializer_range", 0.02},
      {"inner_group_num", 1},
      {"intermediate_size", spec.ffn},
      {"layer_norm_eps", 1e-12},
      {"max_position_embeddings", spec.max_positions},
      {"num_attention_heads", spec.heads},
      {"num_hidden_groups", 1},
      {"num_hidden_layers", spec.layers},
      {"pad_token_id", 0},
      {"position_embedding_type", "absolute"},
      {"torch_dtype", "float32"},
      {"type_vocab_size", 2},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture albert() {
  ModelSpec published;  // albert-base-v2
  published.architecture = "albert";
  published.hidden = 768;
  published.layers = 12;
  published.heads = 12;
  published.ffn = 3072;
  published.vocab = 30000;
  published.embedding = 128;
  return {published,
          all_tasks(),
          "AlbertTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { Albert(builder, spec).build(); },
          config,
          write_unigram};
}

}  // namespace sesame::models::synthesis
