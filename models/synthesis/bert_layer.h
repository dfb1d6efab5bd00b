// BERT's embeddings, layer and heads, as the modules of BERT, ELECTRA and RoBERTa share them.
#pragma once

#include "models/synthesis/blocks.h"
#include "models/synthesis/graph_builder.h"
#include "models/synthesis/model_spec.h"

namespace sesame::models::synthesis {

// What the encoder's states are divided and masked by, and normalised with.
struct BertLayerContext {
  const ModelSpec& spec;
  ValueId mask;
  float epsilon = 1e-12f;
};

// The layers "encoder.layer.0", "encoder.layer.1" and so on: [batch, seq, hidden] to the same.
ValueId bert_encoder(const Module& model, ValueId states, const BertLayerContext& context);

// LayerNorm(x W + b + residual), x of `width` features.
ValueId bert_output(const Module& module, ValueId x, std::int64_t width, ValueId residual,
                    const BertLayerContext& context);

// [batch, seq, hidden] as [batch, seq, dimensions ...], and its axes of sequence and heads in each other's place.
ValueId reshape_rows(const Module& module, ValueId x, const std::vector<std::int64_t>& dimensions);
ValueId split_heads(const Module& module, ValueId x, std::int64_t heads, std::int64_t width);
ValueId by_head(const Module& module, ValueId x);

// softmax(queries keys^T / sqrt(head_dim) + mask) values, heads merged, as BERT's self-attention spells it:
// [batch, seq, heads * head_dim]. Queries and values are [batch, heads, seq, head_dim], keys [batch, seq, heads, ..].
ValueId bert_attention_core(const Module& module, ValueId queries, ValueId keys, ValueId values, ValueId mask,
                            std::int64_t head_dim, std::int64_t width);

// tanh(W first_token + b), [batch, hidden], of the module "pooler"; the index of the first
// token is made here unless it is given.
ValueId bert_pooler(const Module& model, ValueId states, ValueId first_token, const ModelSpec& spec);

// words + types + positions, each [.., width], normalised. The word table stays for a decoder to be tied to.
struct BertEmbeddings {
  ValueId word_table;
  ValueId states;
};
BertEmbeddings bert_embeddings(const Module& module, ValueId input_ids, ValueId token_type_ids, std::int64_t width,
                               const ModelSpec& spec);

// LayerNorm(gelu(x W + b)) times the word table, of the module "cls": "logits".
void bert_masked_lm_head(GraphBuilder& builder, ValueId states, ValueId word_table, const ModelSpec& spec,
                         float epsilon = 1e-12f);

}  // namespace sesame::models::synthesis
