#include "models/synthesis/bert_layer.h"

#include <cmath>

namespace sesame::models::synthesis {

namespace {

using Integers = std::vector<std::int64_t>;

constexpr std::int64_t kTokenTypes = 2;

ValueId bert_attention(const Module& module, ValueId x, const BertLayerContext& context) {
  const std::int64_t hidden = context.spec.hidden, heads = context.spec.heads;
  const ValueId query = linear(module.child("query"), x, hidden, hidden);
  const ValueId key = linear(module.child("key"), x, hidden, hidden);
  const ValueId keys = split_heads(module, key, heads, hidden);  // [batch, seq, heads, head_dim]
  const ValueId value = linear(module.child("value"), x, hidden, hidden);
  const ValueId values = by_head(module, split_heads(module, value, heads, hidden));  // [batch, heads, seq, head_dim]
  const ValueId queries = by_head(module, split_heads(module, query, heads, hidden));
  return bert_attention_core(module, queries, keys, values, context.mask, hidden / heads, hidden);
}

ValueId bert_layer(const Module& module, ValueId x, const BertLayerContext& context) {
  const ModelSpec& spec = context.spec;
  const ValueId attended = bert_attention(module.child("attention").child("self"), x, context);
  const ValueId middle = bert_output(module.child("attention").child("output"), attended, spec.hidden, x, context);
  const Module intermediate = module.child("intermediate");
  const ValueId inner = linear(intermediate.child("dense"), middle, spec.hidden, spec.ffn);  // [batch, seq, ffn]
  const ValueId active = gelu(intermediate.child("intermediate_act_fn"), inner);
  return bert_output(module.child("output"), active, spec.ffn, middle, context);
}

}  // namespace

ValueId bert_encoder(const Module& model, ValueId states, const BertLayerContext& context) {
  for (std::int64_t i = 0; i < context.spec.layers; ++i) {
    states = bert_layer(model.child("encoder").child("layer." + std::to_string(i)), states, context);
  }
  return states;
}

ValueId bert_output(const Module& module, ValueId x, std::int64_t width, ValueId residual,
                    const BertLayerContext& context) {
  const ValueId dense = linear(module.child("dense"), x, width, context.spec.hidden);
  const ValueId sum = module.add("Add", {dense, residual});
  return layer_norm(module.child("LayerNorm"), sum, context.spec.hidden, context.epsilon);
}

ValueId reshape_rows(const Module& module, ValueId x, const Integers& dimensions) {
  const ValueId batch = dimension(module, x, 0);
  const ValueId seq = dimension(module, x, 1);
  const ValueId batch_list = as_list(module, batch);
  const ValueId seq_list = as_list(module, seq);
  std::vector<ValueId> parts = {batch_list, seq_list};
  for (const std::int64_t d : dimensions) parts.push_back(module.list({d}));
  return reshape(module, x, concat(module, parts));
}

ValueId split_heads(const Module& module, ValueId x, std::int64_t heads, std::int64_t width) {
  return reshape_rows(module, x, {heads, width / heads});
}

ValueId by_head(const Module& module, ValueId x) {
  return module.add("Transpose", {x}, {{"perm", Integers{0, 2, 1, 3}}});
}

ValueId bert_attention_core(const Module& module, ValueId queries, ValueId keys, ValueId values, ValueId mask,
                            std::int64_t head_dim, std::int64_t width) {
  const ValueId keys_transposed = module.add("Transpose", {keys}, {{"perm", Integers{0, 2, 3, 1}}});
  const ValueId scores = module.add("MatMul", {queries, keys_transposed});  // [batch, heads, seq, seq]
  const ValueId divisor = module.scalar(std::sqrt(static_cast<float>(head_dim)));
  const ValueId scaled = module.add("Div", {scores, divisor});
  const ValueId masked = module.add("Add", {scaled, mask});
  const ValueId shares = module.add("Softmax", {masked}, {{"axis", std::int64_t{-1}}});
  const ValueId context = by_head(module, module.add("MatMul", {shares, values}));  // [batch, seq, heads, head_dim]
  return width == 0 ? context : reshape_rows(module, context, {width});
}

ValueId bert_pooler(const Module& model, ValueId states, ValueId first_token, const ModelSpec& spec) {
  const Module module = model.child("pooler");
  const ValueId first = first_token == engine::kNoValue
                            ? synthesis::first_token(module, states)
                            : module.add("Gather", {states, first_token}, {{"axis", std::int64_t{1}}});
  const ValueId dense = gemm(module.child("dense"), first, spec.hidden, spec.hidden);
  return module.child("activation").add("Tanh", {dense});
}

BertEmbeddings bert_embeddings(const Module& module, ValueId input_ids, ValueId token_type_ids, std::int64_t width,
                               const ModelSpec& spec) {
  const ValueId length = sequence_length(module, input_ids);
  const ValueId numbers = module.parameter("position_ids", position_numbers(spec.max_positions));
  const ValueId positions = first_positions(module, numbers, length);
  const Module words = module.child("word_embeddings");
  const ValueId word_table = words.parameter("weight", {spec.vocab, width}, kKernel);
  const ValueId word = words.add("Gather", {word_table, input_ids});
  const ValueId type = embedding(module.child("token_type_embeddings"), token_type_ids, kTokenTypes, width);
  const ValueId typed = module.add("Add", {word, type});
  const ValueId position = embedding(module.child("position_embeddings"), positions, spec.max_positions, width);
  const ValueId sum = module.add("Add", {typed, position});
  return {word_table, layer_norm(module.child("LayerNorm"), sum, width)};
}

void bert_masked_lm_head(GraphBuilder& builder, ValueId states, ValueId word_table, const ModelSpec& spec,
                         float epsilon) {
  const Module predictions = builder.root().child("cls").child("predictions");
  const Module transform = predictions.child("transform");
  const ValueId dense = linear(transform.child("dense"), states, spec.hidden, spec.hidden);
  const ValueId active = gelu(transform.child("transform_act_fn"), dense);
  const ValueId normal = layer_norm(transform.child("LayerNorm"), active, spec.hidden, epsilon);
  const ValueId bias = predictions.parameter("bias", {spec.vocab}, kBias);
  const ValueId logits = tied_decoder(predictions.child("decoder"), normal, word_table, bias);
  builder.output(logits, "logits", {kBatch, kSequence, spec.vocab});
}

}  // namespace sesame::models::synthesis
