// RoBERTa (Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach", 2019) as transformers' modules name
// it. Positions are counted from the ids: padding has none.
#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

using engine::Tensor;

constexpr std::int64_t kPadding = 1;  // the id of <pad>; positions begin behind it
constexpr float kEpsilon = 1e-5f;

class Roberta {
 public:
  Roberta(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder), spec_(spec), model_(encoder_root(builder, spec, "roberta")) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    const ValueId types = token_types(input_ids);
    const BertLayerContext context{spec_, additive_mask(model_, attention_mask), kEpsilon};
    head(bert_encoder(model_, embeddings(input_ids, types), context));
  }

 private:
  std::int64_t position_rows() const { return spec_.max_positions + kPadding + 1; }

  // All 0, [batch, seq].
  ValueId token_types(ValueId input_ids) {
    const ValueId batch = dimension(model_, input_ids, 0);
    const ValueId seq = dimension(model_, input_ids, 1);
    Tensor zeros = Tensor::allocate(engine::DType::i64, {1, position_rows()});
    std::fill_n(zeros.data<std::int64_t>(), position_rows(), 0);
    const ValueId first = first_positions(model_, model_.constant(std::move(zeros)), seq);
    const ValueId batch_list = as_list(model_, batch);
    const ValueId seq_list = as_list(model_, seq);
    return expand_to(model_, first, {batch_list, seq_list});
  }

  // Counted from kPadding + 1 where the id is another.
  ValueId positions(const Module& module, ValueId input_ids) {
    const ValueId padding = module.add("Equal", {input_ids, module.scalar(kPadding)});
    const ValueId text = module.add("Cast", {module.add("Not", {padding})}, {{"to", std::int64_t{6}}});
    const ValueId axis = module.constant(Tensor::scalar(std::int32_t{1}));
    const ValueId counted = module.add("Mul", {module.add("CumSum", {text, axis}), text});
    const ValueId whole = module.add("Cast", {counted}, {{"to", std::int64_t{7}}});
    return module.add("Add", {whole, module.scalar(kPadding)});
  }

  ValueId embeddings(ValueId input_ids, ValueId types) {
    const Module module = model_.child("embeddings");
    const ValueId places = positions(module, input_ids);
    const Module words = module.child("word_embeddings");
    word_table_ = words.parameter("weight", {spec_.vocab, spec_.hidden}, kKernel);
    const ValueId word = words.add("Gather", {word_table_, input_ids});
    const ValueId type = embedding(module.child("token_type_embeddings"), types, 1, spec_.hidden);
    const ValueId typed = module.add("Add", {word, type});
    const ValueId position = embedding(module.child("position_embeddings"), places, position_rows(), spec_.hidden);
    const ValueId sum = module.add("Add", {typed, position});
    return layer_norm(module.child("LayerNorm"), sum, spec_.hidden, kEpsilon);
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        encoder_head(builder_, states, spec_);
        return builder_.output(bert_pooler(model_, states, engine::kNoValue, spec_), "pooler_output",
                               {kBatch, spec_.hidden});
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
    const ValueId dense = gemm(module.child("dense"), first, spec_.hidden, spec_.hidden);
    const ValueId active = module.add("Tanh", {dense});
    const ValueId logits = gemm(module.child("out_proj"), active, spec_.hidden, spec_.labels);
    builder_.output(logits, "logits", {kBatch, spec_.labels});
  }

  void masked_lm_head(ValueId states) {
    const Module module = builder_.root().child("lm_head");
    const ValueId active = gelu(module, linear(module.child("dense"), states, spec_.hidden, spec_.hidden));
    const ValueId normal = layer_norm(module.child("layer_norm"), active, spec_.hidden, kEpsilon);
    const ValueId bias = module.parameter("bias", {spec_.vocab}, kBias);
    const ValueId logits = tied_decoder(module.child("decoder"), normal, word_table_, bias);
    builder_.output(logits, "logits", {kBatch, kSequence, spec_.vocab});
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  Module model_;
  ValueId word_table_ = engine::kNoValue;
};

nlohmann::ordered_json config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("Roberta", spec.task)}},
      {"model_type", "roberta"},
      {"bos_token_id", 0},
      {"eos_token_id", 2},
      {"hidden_act", "gelu"},
      {"hidden_size", spec.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", spec.ffn},
      {"layer_norm_eps", 1e-5},
      {"max_position_embeddings", spec.max_positions + kPadding + 1},
      {"num_attention_heads", spec.heads},
      {"num_hidden_layers", spec.layers},
      {"pad_token_id", kPadding},
      {"position_embedding_type", "absolute"},
      {"torch_dtype", "float32"},
      {"type_vocab_size", 1},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture roberta() {
  ModelSpec published;  // roberta-base
  published.architecture = "roberta";
  published.hidden = 768;
  published.layers = 12;
  published.heads = 12;
  published.ffn = 3072;
  published.vocab = 50265;
  return {published,
          all_tasks(),
          "RobertaTokenizer",
          [](GraphBuilder& builder, const ModelSpec& spec) { Roberta(builder, spec).build(); },
          config,
          write_byte_bpe};
}

}  // namespace sesame::models::synthesis
