// ELECTRA (Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators", 2020) as transformers' modules name
// it.
#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

class Electra {
 public:
  Electra(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder), spec_(spec), model_(encoder_root(builder, spec, "electra")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId token_type_ids = builder_.ids_input("token_type_ids");
    const BertLayerContext context{spec_, additive_mask(model_, attention_mask)};
    const BertEmbeddings embeddings =
        bert_embeddings(model_.child("embeddings"), input_ids, token_type_ids, spec_.embedding, spec_);
    word_table_ = embeddings.word_table;
    ValueId states = embeddings.states;
    if (spec_.embedding != spec_.hidden) {
      states = linear(model_.child("embeddings_project"), states, spec_.embedding, spec_.hidden);
    }
    head(bert_encoder(model_, states, context));
  }

 private:
  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        return encoder_head(builder_, states, spec_);
      case Task::sequence_classification:
        return classification_head(states);
      case Task::token_classification:
        return token_classification_head(builder_, states, spec_);
      case Task::question_answering:
        return question_answering_head(builder_, states, spec_);
      case Task::masked_lm:
        return masked_lm_head(states);
    }
  }

  void classification_head(ValueId states) {
    const Module module = builder_.root().child("classifier");
    const ValueId first = first_token(module, states);
    const ValueId active = gelu(module, gemm(module.child("dense"), first, spec_.hidden, spec_.hidden));
    const ValueId logits = gemm(module.child("out_proj"), active, spec_.hidden, spec_.labels);
    builder_.output(logits, "logits", {kBatch, spec_.labels});
  }

  void masked_lm_head(ValueId states) {
    const Module predictions = builder_.root().child("generator_predictions");
    const ValueId dense = linear(predictions.child("dense"), states, spec_.hidden, spec_.embedding);
    const ValueId active = gelu(predictions.child("activation"), dense);
    const ValueId normal = layer_norm(predictions.child("LayerNorm"), active, spec_.embedding);
    const Module decoder = builder_.root().child("generator_lm_head");
    const ValueId bias = decoder.parameter("bias", {spec_.vocab}, kBias);
    const ValueId logits = tied_decoder(decoder, normal, word_table_, bias);
    builder_.output(logits, "logits", {kBatch, kSequence, spec_.vocab});
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  Module model_;
  ValueId word_table_ = engine::kNoValue;
};

nlohmann::ordered_json config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("Electra", spec.task)}},
      {"model_type", "electra"},
      {"embedding_size", spec.embedding},
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
      {"type_vocab_size", 2},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture electra() {
  ModelSpec published;  // electra-base-discriminator
  published.architecture = "electra";
  published.hidden = 768;
  published.layers = 12;
  published.heads = 12;
  published.ffn = 3072;
  published.embedding = 768;
  return {published, all_tasks(), "ElectraTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { Electra(builder, spec).build(); }, config};
}

}  // namespace sesame::models::synthesis
