// BERT (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2018) as transformers' modules name it.
#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

constexpr std::int64_t kTokenTypes = 2;

class Bert {
 public:
  Bert(GraphBuilder& builder, const ModelSpec& spec, bool pooler)
      : builder_(builder),
        spec_(spec),
        pooled_(spec.task == Task::sequence_classification || (spec.task == Task::encoder && pooler)),
        model_(encoder_root(builder, spec, "bert")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId token_type_ids = builder_.ids_input("token_type_ids");
    // The exporter merges the pooler's index of the first token with an earlier zero, which it keeps here.
    if (pooled_) first_token_ = model_.scalar(std::int64_t{0});
    const BertLayerContext context{spec_, additive_mask(model_, attention_mask)};
    const BertEmbeddings embeddings =
        bert_embeddings(model_.child("embeddings"), input_ids, token_type_ids, spec_.hidden, spec_);
    word_table_ = embeddings.word_table;
    head(bert_encoder(model_, embeddings.states, context));
  }

 private:
  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        encoder_head(builder_, states, spec_);
        if (pooled_)
          builder_.output(bert_pooler(model_, states, first_token_, spec_), "pooler_output", {kBatch, spec_.hidden});
        return;
      case Task::sequence_classification:
        return sequence_classification_head(builder_, bert_pooler(model_, states, first_token_, spec_), spec_);
      case Task::token_classification:
        return token_classification_head(builder_, states, spec_);
      case Task::question_answering:
        return question_answering_head(builder_, states, spec_);
      case Task::masked_lm:
        return bert_masked_lm_head(builder_, states, word_table_, spec_);
    }
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  bool pooled_;
  Module model_;
  ValueId word_table_ = engine::kNoValue;
  ValueId first_token_ = engine::kNoValue;
};

}  // namespace

void build_bert(GraphBuilder& builder, const ModelSpec& spec, bool pooler) { Bert(builder, spec, pooler).build(); }

nlohmann::ordered_json bert_config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("Bert", spec.task)}},
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
