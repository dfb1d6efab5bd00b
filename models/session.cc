#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "kernels/pack.h"
#include "models/model.h"

namespace sesame {

namespace {

using engine::DType;
using engine::Tensor;

// Lengths are rounded up to this where padding costs nothing, so that few shapes are bound and remembered.
constexpr std::size_t kLengthStep = 16;

std::size_t length_of(const TokenBatch& batch, std::size_t b) {
  return batch.row_offsets[b + 1] - batch.row_offsets[b];
}

// Fills t, [batch, length] of int32 or int64: fn(i) of token i where a sequence has one, `pad` past its end. Throws
// Error for a value that int32 does not hold.
template <class Fn>
void fill_input(const TokenBatch& batch, std::int64_t pad, const Tensor& t, Fn&& fn) {
  const auto length = static_cast<std::size_t>(t.dim(1));
  const auto put = [&](std::size_t b, std::size_t p, std::int64_t value) {
    const std::size_t at = b * length + p;
    if (t.type() == DType::i64) {
      t.data<std::int64_t>()[at] = value;
      return;
    }
    const auto narrow = static_cast<std::int32_t>(value);
    if (narrow != value) {
      throw Error("token batch: " + std::to_string(value) + " at [" + std::to_string(b) + ", " + std::to_string(p) +
                  "] does not fit the graph's int32 input");
    }
    t.data<std::int32_t>()[at] = narrow;
  };
  for (std::size_t b = 0; b < batch.size(); ++b) {
    const std::size_t tokens = std::min(length_of(batch, b), length);
    for (std::size_t p = 0; p < tokens; ++p) put(b, p, fn(batch.row_offsets[b] + p));
    for (std::size_t p = tokens; p < length; ++p) put(b, p, pad);
  }
}

std::size_t longest(const TokenBatch& batch) {
  std::size_t length = 0;
  for (std::size_t b = 0; b < batch.size(); ++b) length = std::max(length, length_of(batch, b));
  return length;
}

void check(const TokenBatch& batch, std::size_t max_tokens) {
  const bool shaped = !batch.row_offsets.empty() && batch.row_offsets.front() == 0 &&
                      batch.row_offsets.back() == batch.ids.size() &&
                      std::is_sorted(batch.row_offsets.begin(), batch.row_offsets.end());
  if (!shaped) throw Error("token batch: row_offsets must ascend from 0 to the number of ids");
  if (!batch.type_ids.empty() && batch.type_ids.size() != batch.ids.size()) {
    throw Error("token batch: expected as many type_ids as ids (" + std::to_string(batch.ids.size()) + "), found " +
                std::to_string(batch.type_ids.size()));
  }
  for (std::size_t b = 0; b < batch.size(); ++b) {
    const std::size_t length = length_of(batch, b);
    if (length == 0) throw Error("token batch: sequence " + std::to_string(b) + " is empty");
    if (length > max_tokens) {
      throw Error("token batch: sequence " + std::to_string(b) + " has " + std::to_string(length) +
                  " tokens, the model takes at most " + std::to_string(max_tokens));
    }
  }
}

// Sequences [begin, begin + count) of a batch, its last one again where it has no more.
TokenBatch slice(const TokenBatch& batch, std::size_t begin, std::size_t count) {
  TokenBatch part;
  for (std::size_t i = begin; i < begin + count; ++i) {
    const std::size_t b = std::min(i, batch.size() - 1);
    const std::size_t from = batch.row_offsets[b];
    const std::size_t length = length_of(batch, b);
    const std::span<const std::int64_t> types(batch.type_ids);
    part.add(std::span(batch.ids).subspan(from, length), types.empty() ? types : types.subspan(from, length));
  }
  return part;
}

}  // namespace

void TokenBatch::add(std::span<const std::int64_t> sequence, std::span<const std::int64_t> types) {
  if (!types.empty() && type_ids.size() != ids.size()) type_ids.resize(ids.size(), 0);
  ids.insert(ids.end(), sequence.begin(), sequence.end());
  if (!types.empty()) {
    type_ids.insert(type_ids.end(), types.begin(), types.end());
  } else if (!type_ids.empty()) {
    type_ids.resize(ids.size(), 0);
  }
  row_offsets.push_back(ids.size());
}

struct Session::Impl {
  std::shared_ptr<const Model> model;
  engine::Runner runner;
  // Kept between calls for their memory.
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;  // where some of the plan's are float16
  std::vector<float> scores;
  TokenBatch tokens;
  std::vector<bool> truncated;
  Encoding encoding;

  Impl(std::shared_ptr<const Model> m, const SessionOptions& options)
      : model(std::move(m)), runner(*model->loaded().plan, runner_options(options)) {}

  static engine::RunnerOptions runner_options(const SessionOptions& options) {
    engine::RunnerOptions o;
    o.threads = options.threads;
    o.padded_positions = false;
    return o;
  }

  const LoadedModel& loaded() const { return model->loaded(); }
  const engine::Graph& graph() const { return loaded().plan->graph(); }

  // A dimension that the graph fixes for its token ids.
  std::optional<std::size_t> fixed(std::size_t axis) const {
    const auto& shape = graph().value(graph().inputs[static_cast<std::size_t>(loaded().input_ids)]).declared_shape;
    if (!shape || shape->size() != 2 || (*shape)[axis] < 0) return std::nullopt;
    return static_cast<std::size_t>((*shape)[axis]);
  }

  bool padding_is_free() const {
    const models::Recognition& r = loaded().recognition;
    return r.layers_total > 0 && r.layers_recognised == r.layers_total;
  }

  // Whether padding can be told from text: without a mask, or a length that the graph fixes, it would count as text.
  bool can_pad() const { return loaded().attention_mask >= 0 || fixed(1); }

  void allocate_inputs(std::size_t batch, std::size_t length);
  void set_inputs(const TokenBatch& batch, std::size_t length);
  std::span<const Tensor> run(const TokenBatch& batch, std::size_t length) {
    set_inputs(batch, length);
    return widened(runner.run(inputs));
  }
  std::span<const Tensor> widened(std::span<const Tensor> made);
  std::size_t padded_length(const TokenBatch& batch) const;
  std::size_t chunk_end(const TokenBatch& batch, std::size_t begin) const;
  void classify_chunk(const TokenBatch& batch, std::size_t wanted, std::vector<Classification>& answers);
  std::vector<Classification> classify(const TokenBatch& batch);
  Classification answer(const float* logits, std::size_t token_count);
};

// Tensors of [batch, length] for the inputs; those of the last call where the shape is the same.
void Session::Impl::allocate_inputs(std::size_t batch, std::size_t length) {
  const engine::Shape shape = {static_cast<std::int64_t>(batch), static_cast<std::int64_t>(length)};
  if (!inputs.empty() && inputs[0].shape() == shape) return;
  const LoadedModel& m = loaded();
  inputs.clear();
  for (std::size_t i = 0; i < graph().inputs.size(); ++i) {
    const engine::Value& value = graph().value(graph().inputs[i]);
    const int role = static_cast<int>(i);
    const std::string where = m.onnx_file.string() + ": graph input '" + value.name + "': ";
    if (role != m.input_ids && role != m.attention_mask && role != m.token_type_ids) {
      throw Error(where + "expected one that text gives (ids, mask, types)");
    }
    const DType type = value.declared_type.value_or(DType::i64);
    if (type != DType::i64 && type != DType::i32) {
      throw Error(where + "expected int32 or int64, found " + std::string(engine::name(type)));
    }
    inputs.push_back(Tensor::allocate(type, shape));
  }
}

void Session::Impl::set_inputs(const TokenBatch& batch, std::size_t length) {
  try {
    allocate_inputs(batch.size(), length);
  } catch (...) {
    inputs.clear();
    throw;
  }
  const LoadedModel& m = loaded();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const int role = static_cast<int>(i);
    if (role == m.input_ids) {
      fill_input(batch, m.config.pad_token_id.value_or(0), inputs[i],
                 [&](std::size_t token) { return batch.ids[token]; });
    } else if (role == m.attention_mask) {
      fill_input(batch, 0, inputs[i], [](std::size_t) { return std::int64_t{1}; });
    } else {
      const bool given = !batch.type_ids.empty() && !m.has_one_type;
      fill_input(batch, 0, inputs[i], [&](std::size_t token) { return given ? batch.type_ids[token] : 0; });
    }
  }
}

// The length that a batch is run at.
// Outputs with float16 ones as floats.
std::span<const Tensor> Session::Impl::widened(std::span<const Tensor> made) {
  const auto is_half = [](const Tensor& t) { return t.type() == DType::f16; };
  if (std::none_of(made.begin(), made.end(), is_half)) return made;
  outputs.resize(made.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!is_half(made[i])) {
      outputs[i] = made[i];
      continue;
    }
    const bool fits = outputs[i] && outputs[i].type() == DType::f32 && outputs[i].shape() == made[i].shape();
    if (!fits) outputs[i] = Tensor::allocate(DType::f32, made[i].shape());
    const std::span<const engine::Half> halves = made[i].span<engine::Half>();
    std::transform(halves.begin(), halves.end(), outputs[i].data<float>(), [](engine::Half h) { return to_float(h); });
  }
  return outputs;
}

std::size_t Session::Impl::padded_length(const TokenBatch& batch) const {
  const std::size_t length = longest(batch);
  if (const auto fixed_length = fixed(1)) return *fixed_length;
  if (!padding_is_free() || !can_pad()) return length;
  return std::min(kernels::round_up(length, kLengthStep), std::max(loaded().max_tokens, length));
}

// One past the last sequence that can be run together with the one at `begin`.
std::size_t Session::Impl::chunk_end(const TokenBatch& batch, std::size_t begin) const {
  const std::size_t most = std::max<std::size_t>(fixed(0).value_or(batch.size()), 1);
  std::size_t end = begin + 1;
  while (end < batch.size() && end - begin < most && (can_pad() || length_of(batch, end) == length_of(batch, begin))) {
    ++end;
  }
  return end;
}

Classification Session::Impl::answer(const float* logits, std::size_t token_count) {
  const std::vector<std::string>& labels = model->labels();
  Classification c;
  c.logits.assign(logits, logits + labels.size());
  c.tokens = token_count;
  c.label_id = static_cast<std::size_t>(std::max_element(c.logits.begin(), c.logits.end()) - c.logits.begin());
  c.label = labels[c.label_id];
  if (labels.size() == 1) {  // a regression: the score is the value itself
    c.score = c.logits[0];
    return c;
  }
  scores.resize(labels.size());
  kernels::table(kernels::default_isa()).softmax_row(logits, labels.size(), scores.data());
  c.score = scores[c.label_id];
  return c;
}

void Session::Impl::classify_chunk(const TokenBatch& batch, std::size_t wanted, std::vector<Classification>& answers) {
  const Tensor& logits = run(batch, padded_length(batch))[0];
  const std::size_t labels = model->labels().size();
  if (logits.type() != DType::f32 || logits.size() != static_cast<std::int64_t>(batch.size() * labels)) {
    throw Error(loaded().onnx_file.string() + ": expected float logits of " + std::to_string(batch.size()) + " x " +
                std::to_string(labels) + ", found " + engine::to_string(logits.shape()));
  }
  for (std::size_t b = 0; b < wanted; ++b) {
    answers.push_back(answer(logits.data<float>() + b * labels, length_of(batch, b)));
  }
}

std::vector<Classification> Session::Impl::classify(const TokenBatch& batch) {
  check(batch, loaded().max_tokens);
  if (model->labels().empty()) {
    throw Error(loaded().onnx_file.string() + ": expected a classifier, whose first output is [batch, labels]");
  }
  if (loaded().input_ids < 0) throw Error(loaded().onnx_file.string() + ": no graph input takes token ids");
  std::vector<Classification> answers;
  answers.reserve(batch.size());
  for (std::size_t begin = 0, end; begin < batch.size(); begin = end) {
    end = chunk_end(batch, begin);
    const std::size_t wanted = end - begin;
    const std::size_t count = std::max<std::size_t>(fixed(0).value_or(wanted), 1);
    if (count == batch.size() && wanted == count) {
      classify_chunk(batch, wanted, answers);
    } else {
      classify_chunk(slice(batch, begin, count), wanted, answers);
    }
  }
  return answers;
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return *impl_->model; }
void Session::trim() {
  impl_->runner.trim();
  impl_->inputs = {};
  impl_->outputs = {};
  impl_->tokens = {};
}

std::vector<Classification> Session::classify(const TokenBatch& batch) { return impl_->classify(batch); }

std::vector<Classification> Session::classify(std::span<const std::string_view> texts) {
  const LoadedModel& model = impl_->loaded();
  if (!model.tokenizer)
    throw Error(model.onnx_file.string() + ": no tokenizer beside it (tokenizer.json, vocab.txt, ...)");
  TokenBatch& batch = impl_->tokens;
  batch.ids.clear();
  batch.type_ids.clear();
  batch.row_offsets.assign(1, 0);
  impl_->truncated.clear();
  for (std::string_view text : texts) {
    model.tokenizer->encode_into(text, nullptr, {.max_length = model.max_tokens}, impl_->encoding);
    batch.add(impl_->encoding.ids, impl_->encoding.type_ids);
    impl_->truncated.push_back(impl_->encoding.truncated);
  }
  std::vector<Classification> answers = impl_->classify(batch);
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i].truncated = impl_->truncated[i];
  return answers;
}

std::vector<Classification> Session::classify(std::initializer_list<std::string_view> texts) {
  return classify(std::span<const std::string_view>(texts.begin(), texts.size()));
}

Classification Session::classify(std::string_view text) { return std::move(classify(std::span(&text, 1))[0]); }

std::vector<Output> Session::run(const TokenBatch& batch) {
  const LoadedModel& model = impl_->loaded();
  check(batch, model.max_tokens);
  if (model.input_ids < 0) throw Error(model.onnx_file.string() + ": no graph input takes token ids");
  const std::size_t length = longest(batch);
  for (std::size_t b = 0; b < batch.size() && !impl_->can_pad(); ++b) {
    if (length_of(batch, b) != length) {
      throw Error(model.onnx_file.string() +
                  ": the graph has no attention mask, so the sequences of one call must be of " + "one length: found " +
                  std::to_string(length_of(batch, b)) + " and " + std::to_string(length));
    }
  }
  std::vector<Output> outputs;
  const std::span<const Tensor> tensors = impl_->run(batch, impl_->fixed(1).value_or(length));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].type() != DType::f32) continue;
    outputs.push_back(
        {impl_->graph().value(impl_->graph().outputs[i]).name, tensors[i].shape(), tensors[i].span<float>()});
  }
  return outputs;
}

}  // namespace sesame
