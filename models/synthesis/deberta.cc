// DeBERTa-v3 (He et al., "DeBERTaV3", 2021) as transformers' modules name it: disentangled attention with log buckets,
// the projections of content shared with positions, no position embeddings, no token types.
#include <cmath>
#include <limits>

#include "models/synthesis/architecture.h"
#include "models/synthesis/bert_layer.h"

namespace sesame::models::synthesis {

namespace {

using engine::Tensor;
using Integers = std::vector<std::int64_t>;

constexpr float kEpsilon = 1e-7f;
constexpr std::int64_t kFloat = 1, kUint8 = 2, kInt64 = 7, kBool = 9;  // ONNX's element types

ValueId cast(const Module& module, ValueId x, std::int64_t to) { return module.add("Cast", {x}, {{"to", to}}); }

ValueId unsqueeze(const Module& module, ValueId x, std::int64_t axis) {
  return module.add("Unsqueeze", {x, module.list({axis})});
}

// Dimension -1 or -2 of x, a scalar.
ValueId dimension_from_end(const Module& module, ValueId x, std::int64_t axis) {
  const ValueId shape = module.add("Shape", {x});
  const std::int64_t end = axis == -1 ? std::numeric_limits<std::int64_t>::max() : axis + 1;
  const ValueId part = module.add("Slice", {shape, module.list({axis}), module.list({end}), module.list({0})});
  return module.add("Squeeze", {part, module.list({0})});
}

class Deberta {
 public:
  Deberta(GraphBuilder& builder, const ModelSpec& spec)
      : builder_(builder),
        spec_(spec),
        model_(encoder_root(builder, spec, "deberta")),
        head_dim_(spec.hidden / spec.heads) {}

  void build() {
    const ValueId input_ids = builder_.ids_input("input_ids");
    const ValueId attention_mask = builder_.ids_input("attention_mask");
    // The exporter merges the pooler's index of the first token with an earlier zero.
    const Module words = model_.child("embeddings").child("word_embeddings");
    if (spec_.task == Task::sequence_classification) first_token_ = words.scalar(std::int64_t{0});
    ValueId states = embeddings(input_ids, attention_mask);
    const Module encoder = model_.child("encoder");
    pair_mask(encoder, attention_mask);
    relative_positions(encoder, states);
    for (std::int64_t i = 0; i < spec_.layers; ++i) {
      states = layer(encoder.child("layer." + std::to_string(i)), states);
    }
    head(states);
  }

 private:
  ValueId embeddings(ValueId input_ids, ValueId attention_mask) {
    const Module module = model_.child("embeddings");
    const Module words = module.child("word_embeddings");
    word_table_ = words.parameter("weight", {spec_.vocab, spec_.hidden}, kKernel);
    const ValueId word = words.add("Gather", {word_table_, input_ids});
    const ValueId normal = layer_norm(module.child("LayerNorm"), word, spec_.hidden, kEpsilon);
    const ValueId mask = cast(module, unsqueeze(module, attention_mask, 2), kFloat);
    return module.add("Mul", {normal, mask});  // [batch, seq, hidden]
  }

  // 1 where both query and key are real, [batch, 1, seq, seq].
  void pair_mask(const Module& module, ValueId attention_mask) {
    const ValueId keys = unsqueeze(module, unsqueeze(module, attention_mask, 1), 2);
    const ValueId squeezed = module.add("Squeeze", {keys, module.list({2})});
    pair_mask_ = cast(module, module.add("Mul", {keys, unsqueeze(module, squeezed, -1)}), kUint8);
  }

  // The distance of query and key in log buckets, [1, seq, seq], and the table's rows, normalised.
  void relative_positions(const Module& module, ValueId states) {
    const ValueId length = dimension_from_end(module, states, -2);
    const ValueId whole = cast(module, length, kInt64);
    const ValueId positions =
        module.add("Range", {module.scalar(std::int64_t{0}), whole, module.scalar(std::int64_t{1})});
    const ValueId queries = unsqueeze(module, positions, 1);
    const ValueId keys = unsqueeze(module, positions, 0);
    const ValueId distance = module.add("Sub", {queries, keys});
    const ValueId bucket = cast(module, log_bucket(module, distance), kInt64);
    const ValueId rows = unsqueeze(module, length, 0);
    const ValueId cut = module.add("Slice", {bucket, module.list({0}), rows, module.list({0}), module.list({1})});
    buckets_ = unsqueeze(module, cut, 0);
    const ValueId table = module.child("rel_embeddings").parameter("weight", {2 * span(), spec_.hidden}, kKernel);
    relative_table_ = layer_norm(module.child("LayerNorm"), table, spec_.hidden, kEpsilon);
  }

  // The distance itself up to half of the span, the logarithm beyond.
  ValueId log_bucket(const Module& module, ValueId distance) {
    const std::int64_t middle = span() / 2;
    const ValueId sign = module.add("Sign", {distance});
    const ValueId below = module.add("Less", {distance, module.scalar(middle)});
    const ValueId above = module.add("Greater", {distance, module.scalar(-middle)});
    const ValueId near = module.add("And", {below, above});
    const ValueId size = module.add("Abs", {distance});
    const ValueId at_least = module.add("Where", {near, module.scalar(middle - 1), size});
    const ValueId ratio =
        module.add("Div", {cast(module, at_least, kFloat), module.scalar(static_cast<float>(middle))});
    const ValueId log = module.add("Log", {ratio});
    const double furthest = static_cast<double>(spec_.max_positions - 1) / static_cast<double>(middle);
    const ValueId share = module.add("Div", {log, module.scalar(static_cast<float>(std::log(furthest)))});
    const ValueId steps = module.add("Mul", {share, module.scalar(static_cast<float>(middle - 1))});
    const ValueId far = module.add("Add", {module.add("Ceil", {steps}), module.scalar(static_cast<float>(middle))});
    const ValueId is_near = module.add("LessOrEqual", {at_least, module.scalar(middle)});
    const ValueId exact = cast(module, distance, kFloat);
    const ValueId signed_far = module.add("Mul", {far, cast(module, sign, kFloat)});
    return module.add("Where", {is_near, exact, signed_far});
  }

  std::int64_t span() const { return spec_.buckets; }

  ValueId layer(const Module& module, ValueId x) {
    const BertLayerContext context{spec_, engine::kNoValue, kEpsilon};
    const ValueId attended = attention(module.child("attention").child("self"), x);
    const ValueId middle = bert_output(module.child("attention").child("output"), attended, spec_.hidden, x, context);
    const Module intermediate = module.child("intermediate");
    const ValueId inner = linear(intermediate.child("dense"), middle, spec_.hidden, spec_.ffn);
    const ValueId active = gelu(intermediate.child("intermediate_act_fn"), inner);
    return bert_output(module.child("output"), active, spec_.ffn, middle, context);
  }

  ValueId attention(const Module& module, ValueId x) {
    const ValueId queries = heads_of(module, linear(module.child("query_proj"), x, spec_.hidden, spec_.hidden));
    const ValueId keys = heads_of(module, linear(module.child("key_proj"), x, spec_.hidden, spec_.hidden));
    const ValueId values = heads_of(module, linear(module.child("value_proj"), x, spec_.hidden, spec_.hidden));
    const ValueId root = score_divisor(module, queries);
    const ValueId product = module.add("MatMul", {queries, plane_transposed(module, keys)});
    const ValueId content = module.add("Div", {product, cast(module, root, kFloat)});
    const ValueId relative = relative_scores(module, queries, keys);
    const ValueId scores = by_batch(module, module.add("Add", {content, relative}));
    return context(module, masked_softmax(module, scores), values);
  }

  // [batch, seq, hidden] as [batch * heads, seq, head_dim].
  ValueId heads_of(const Module& module, ValueId x) {
    const ValueId batch = dimension(module, x, 0);
    const ValueId seq = dimension(module, x, 1);
    const ValueId batch_list = as_list(module, batch);
    const ValueId seq_list = as_list(module, seq);
    const ValueId shape = concat(module, {batch_list, seq_list, module.list({spec_.heads}), module.list({-1})});
    const ValueId split = reshape(module, x, shape);
    const ValueId moved = by_head(module, split);
    const ValueId length = dimension(module, split, 1);
    const ValueId width = dimension_from_end(module, split, -1);
    const ValueId length_list = as_list(module, length);
    const ValueId width_list = as_list(module, width);
    return reshape(module, moved, concat(module, {module.list({-1}), length_list, width_list}));
  }

  // sqrt(head_dim * 3): content to content, content to position, position to content.
  ValueId score_divisor(const Module& module, ValueId x) {
    const ValueId width = cast(module, dimension_from_end(module, x, -1), kFloat);
    return module.add("Sqrt", {module.add("Mul", {width, module.scalar(3.0f)})});
  }

  static ValueId plane_transposed(const Module& module, ValueId x) {
    return module.add("Transpose", {x}, {{"perm", Integers{0, 2, 1}}});
  }

  ValueId relative_scores(const Module& module, ValueId queries, ValueId keys) {
    if (relative_ == engine::kNoValue) {  // the exporter merges the layers' equal nodes into the first one's
      relative_ = cast(module, cast(module, unsqueeze(module, buckets_, 1), kInt64), kInt64);
      const ValueId rows = module.add(
          "Slice", {relative_table_, module.list({0}), module.list({2 * span()}), module.list({0}), module.list({1})});
      relative_rows_ = unsqueeze(module, rows, 0);
    }
    const ValueId position_queries = positions_of_heads(module, "query_proj");
    const ValueId batch_heads = dimension(module, queries, 0);
    const ValueId batch =
        cast(module, cast(module, module.add("Div", {batch_heads, module.scalar(spec_.heads)}), kInt64), kInt64);
    const auto repeats = [&] { return concat(module, {as_list(module, batch), module.list({1}), module.list({1})}); };
    const ValueId query_shape = repeats(), query_repeats = repeats(), key_shape = repeats(), key_repeats = repeats();
    const ValueId all_queries = repeated(module, position_queries, query_shape, query_repeats);
    const ValueId all_keys = repeated(module, positions_of_heads(module, "key_proj"), key_shape, key_repeats);
    const ValueId to_position = content_to_position(module, queries, all_keys, batch_heads);
    const ValueId from_zero = module.add("Add", {to_position, module.scalar(0.0f)});
    const ValueId to_content = position_to_content(module, keys, all_queries, batch_heads);
    return module.add("Add", {from_zero, to_content});
  }

  // The table projected as the content is, [heads, 2 * span, head_dim].
  ValueId positions_of_heads(const Module& module, const char* projection) {
    const ValueId rows = linear(module.child(projection).again(1), relative_rows_, spec_.hidden, spec_.hidden);
    const ValueId split = reshape(module, rows, module.list({1, 2 * span(), spec_.heads, -1}));
    return reshape(module, by_head(module, split), module.list({-1, 2 * span(), head_dim_}));
  }

  static ValueId repeated(const Module& module, ValueId x, ValueId shape, ValueId repeats) {
    const ValueId ones =
        module.add("ConstantOfShape", {module.add("Shape", {shape})}, {{"value", Tensor::of<std::int64_t>({1}, {1})}});
    return module.add("Tile", {module.add("Expand", {x, ones}), repeats});
  }

  ValueId clipped(const Module& module, ValueId rows) {
    const ValueId moved = module.add("Add", {rows, module.scalar(span())});
    return module.add("Clip", {moved, module.scalar(std::int64_t{0}), module.scalar(2 * span() - 1)});
  }

  ValueId content_to_position(const Module& module, ValueId queries, ValueId position_keys, ValueId batch_heads) {
    const ValueId root = score_divisor(module, position_keys);
    const ValueId product = module.add("MatMul", {queries, plane_transposed(module, position_keys)});
    if (to_position_rows_ == engine::kNoValue) {
      to_position_rows_ = module.add("Squeeze", {clipped(module, relative_), module.list({0})});
    }
    const ValueId length = dimension(module, queries, 1);
    if (keys_length_ == engine::kNoValue) keys_length_ = dimension_from_end(module, relative_, -1);
    const ValueId first = unsqueeze(module, batch_heads, 0), second = unsqueeze(module, length, 0);
    const ValueId third = unsqueeze(module, keys_length_, 0);
    const ValueId index = expand_to(module, to_position_rows_, {first, second, third});
    const ValueId picked = module.add("GatherElements", {product, index}, {{"axis", std::int64_t{-1}}});
    return module.add("Div", {picked, cast(module, root, kFloat)});
  }

  ValueId position_to_content(const Module& module, ValueId keys, ValueId position_queries, ValueId batch_heads) {
    const ValueId root = score_divisor(module, position_queries);
    ValueId clip = engine::kNoValue;
    if (to_content_rows_ == engine::kNoValue) clip = clipped(module, module.add("Neg", {relative_}));
    const ValueId product = module.add("MatMul", {keys, plane_transposed(module, position_queries)});
    if (to_content_rows_ == engine::kNoValue) to_content_rows_ = module.add("Squeeze", {clip, module.list({0})});
    const ValueId length = dimension_from_end(module, keys, -2);
    const ValueId first = unsqueeze(module, batch_heads, 0), second = unsqueeze(module, length, 0);
    const ValueId third = unsqueeze(module, length, 0);
    const ValueId index = expand_to(module, to_content_rows_, {first, second, third});
    const ValueId picked = module.add("GatherElements", {product, index}, {{"axis", std::int64_t{-1}}});
    const ValueId turned = plane_transposed(module, picked);
    return module.add("Div", {turned, cast(module, root, kFloat)});
  }

  // [batch * heads, x, y] as [batch, heads, x, y], and back.
  ValueId by_batch(const Module& module, ValueId x) { return relaid(module, x, {-1, spec_.heads}); }
  ValueId relaid(const Module& module, ValueId x, const Integers& leading) {
    const ValueId rows = dimension_from_end(module, x, -2);
    const ValueId columns = dimension_from_end(module, x, -1);
    const ValueId row_list = as_list(module, rows);
    const ValueId column_list = as_list(module, columns);
    std::vector<ValueId> parts;
    for (const std::int64_t d : leading) parts.push_back(module.list({d}));
    parts.push_back(row_list);
    parts.push_back(column_list);
    return reshape(module, x, concat(module, parts));
  }

  ValueId masked_softmax(const Module& module, ValueId scores) {
    const ValueId kept = cast(module, pair_mask_, kInt64);
    const ValueId dropped = cast(module, module.add("Sub", {module.scalar(std::int64_t{1}), kept}), kUint8);
    const ValueId lowest = module.scalar(std::numeric_limits<float>::lowest());
    const ValueId masked = module.add("Where", {cast(module, dropped, kBool), lowest, scores});
    const ValueId shares = module.add("Softmax", {masked}, {{"axis", std::int64_t{3}}});
    return module.add("Where", {cast(module, dropped, kBool), module.scalar(0.0f), shares});
  }

  ValueId context(const Module& module, ValueId shares, ValueId values) {
    const ValueId product = module.add("MatMul", {relaid(module, shares, {-1}), values});
    const ValueId rows = by_head(module, by_batch(module, product));  // [batch, seq, heads, head_dim]
    const ValueId batch = dimension(module, rows, 0);
    const ValueId seq = dimension(module, rows, 1);
    const ValueId batch_list = as_list(module, batch);
    const ValueId seq_list = as_list(module, seq);
    return reshape(module, rows, concat(module, {batch_list, seq_list, module.list({-1})}));
  }

  void head(ValueId states) {
    switch (spec_.task) {
      case Task::encoder:
        return encoder_head(builder_, states, spec_);
      case Task::sequence_classification:
        return sequence_classification_head(builder_, pooler(states), spec_);
      case Task::token_classification:
        return token_classification_head(builder_, states, spec_);
      case Task::question_answering:
        return question_answering_head(builder_, states, spec_);
      case Task::masked_lm:
        return bert_masked_lm_head(builder_, states, word_table_, spec_, kEpsilon);
    }
  }

  ValueId pooler(ValueId states) {
    const Module module = builder_.root().child("pooler");
    const ValueId first = module.add("Gather", {states, first_token_}, {{"axis", std::int64_t{1}}});
    return gelu(module, gemm(module.child("dense"), first, spec_.hidden, spec_.hidden));
  }

  GraphBuilder& builder_;
  const ModelSpec& spec_;
  Module model_;
  std::int64_t head_dim_;
  ValueId word_table_ = engine::kNoValue;
  ValueId first_token_ = engine::kNoValue;
  ValueId pair_mask_ = engine::kNoValue;
  ValueId buckets_ = engine::kNoValue;           // [1, seq, seq]
  ValueId relative_table_ = engine::kNoValue;    // [2 * span, hidden]
  ValueId relative_ = engine::kNoValue;          // buckets_ as [1, 1, seq, seq]
  ValueId relative_rows_ = engine::kNoValue;     // [1, 2 * span, hidden]
  ValueId to_position_rows_ = engine::kNoValue;  // rows of the table for a query and a key
  ValueId to_content_rows_ = engine::kNoValue;   // for a key and a query
  ValueId keys_length_ = engine::kNoValue;
};

void build(GraphBuilder& builder, const ModelSpec& spec) { Deberta(builder, spec).build(); }

nlohmann::ordered_json config(const ModelSpec& spec) {
  nlohmann::ordered_json config = {
      {"architectures", {class_name("DebertaV2", spec.task)}},
      {"model_type", "deberta-v2"},
      {"hidden_act", "gelu"},
      {"hidden_size", spec.hidden},
      {"initializer_range", 0.02},
      {"intermediate_size", spec.ffn},
      {"layer_norm_eps", 1e-7},
      {"max_position_embeddings", spec.max_positions},
      {"max_relative_positions", -1},
      {"norm_rel_ebd", "layer_norm"},
      {"num_attention_heads", spec.heads},
      {"num_hidden_layers", spec.layers},
      {"pad_token_id", 0},
      {"pooler_dropout", 0},
      {"pooler_hidden_act", "gelu"},
      {"pooler_hidden_size", spec.hidden},
      {"pos_att_type", {"p2c", "c2p"}},
      {"position_biased_input", false},
      {"position_buckets", spec.buckets},
      {"relative_attention", true},
      {"share_att_key", true},
      {"torch_dtype", "float32"},
      {"type_vocab_size", 0},
      {"vocab_size", spec.vocab},
  };
  add_labels(config, spec);
  return config;
}

}  // namespace

Architecture deberta_v3() {
  ModelSpec published;  // deberta-v3-base
  published.architecture = "deberta-v3";
  published.hidden = 768;
  published.layers = 12;
  published.heads = 12;
  published.ffn = 3072;
  published.vocab = 128100;
  published.buckets = 256;
  return {published, all_tasks(), "DebertaV2Tokenizer", build, config, write_unigram};
}

}  // namespace sesame::models::synthesis
