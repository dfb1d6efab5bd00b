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

// [batch, length] of the declared integer type, filled by fn(sequence, position).
template <class Fn>
Tensor integer_input(DType type, std::size_t batch, std::size_t length, Fn&& fn) {
  if (type != DType::i64 && type != DType::i32) {
    throw Error("expected an int32 or int64 graph input, found " + std::string(engine::name(type)));
  }
  Tensor t = Tensor::allocate(type, {static_cast<std::int64_t>(batch), static_cast<std::int64_t>(length)});
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t p = 0; p < length; ++p) {
      const std::int64_t value = fn(b, p);
      if (type == DType::i64) {
        t.data<std::int64_t>()[b * length + p] = value;
      } else {
        t.data<std::int32_t>()[b * length + p] = static_cast<std::int32_t>(value);
      }
    }
  }
  return t;
}

std::size_t longest(const TokenBatch& batch) {
  std::size_t length = 0;
  for (std::size_t b = 0; b < batch.size(); ++b)
    length = std::max(length, batch.row_offsets[b + 1] - batch.row_offsets[b]);
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
    const std::size_t length = batch.row_offsets[b + 1] - batch.row_offsets[b];
    if (length == 0) throw Error("token batch: sequence " + std::to_string(b) + " is empty");
    if (length > max_tokens) {
      throw Error("token batch: sequence " + std::to_string(b) + " has " + std::to_string(length) +
                  " tokens, the model takes at most " + std::to_string(max_tokens));
    }
  }
}

// Sequences [begin, begin + count) of a batch, the last one again where it has no more.
TokenBatch slice(const TokenBatch& batch, std::size_t begin, std::size_t count) {
  TokenBatch part;
  for (std::size_t i = begin; i < begin + count; ++i) {
    const std::size_t b = std::min(i, batch.size() - 1);
    const std::size_t from = batch.row_offsets[b];
    const std::size_t length = batch.row_offsets[b + 1] - from;
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

  std::vector<Tensor> inputs(const TokenBatch& batch, std::size_t length) const;
  std::span<const Tensor> run(const TokenBatch& batch, std::size_t length) { return runner.run(inputs(batch, length)); }
  void classify_chunk(const TokenBatch& batch, std::size_t wanted, std::vector<Classification>& answers);
  std::vector<Classification> classify(const TokenBatch& batch);
  Classification answer(const float* logits, std::size_t tokens) const;
};

std::vector<Tensor> Session::Impl::inputs(const TokenBatch& batch, std::size_t length) const {
  const LoadedModel& m = loaded();
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < graph().inputs.size(); ++i) {
    const engine::Value& value = graph().value(graph().inputs[i]);
    const int role = static_cast<int>(i);
    const auto at = [&](std::size_t b, std::size_t p) { return batch.row_offsets[b] + p; };
    const auto real = [&](std::size_t b, std::size_t p) { return at(b, p) < batch.row_offsets[b + 1]; };
    const std::int64_t pad = m.config.pad_token_id.value_or(0);
    const auto fill = [&](std::size_t b, std::size_t p) -> std::int64_t {
      if (role == m.input_ids) return real(b, p) ? batch.ids[at(b, p)] : pad;
      if (role == m.attention_mask) return real(b, p) ? 1 : 0;
      return real(b, p) && !batch.type_ids.empty() ? batch.type_ids[at(b, p)] : 0;
    };
    const bool known = role == m.input_ids || role == m.attention_mask || role == m.token_type_ids;
    if (!known || !value.declared_type) {
      throw Error(m.onnx_file.string() + ": graph input '" + value.name +
                  "' is not one that text gives (ids, mask, types)");
    }
    tensors.push_back(integer_input(*value.declared_type, batch.size(), length, fill));
  }
  return tensors;
}

Classification Session::Impl::answer(const float* logits, std::size_t tokens) const {
  const std::vector<std::string>& labels = model->labels();
  Classification c;
  c.logits.assign(logits, logits + labels.size());
  c.tokens = tokens;
  c.label_id = static_cast<std::size_t>(std::max_element(c.logits.begin(), c.logits.end()) - c.logits.begin());
  c.label = labels[c.label_id];
  if (labels.size() == 1) {  // a regression: the score is the value itself
    c.score = c.logits[0];
    return c;
  }
  std::vector<float> scores(labels.size());
  kernels::table(kernels::default_isa()).softmax_row(logits, labels.size(), scores.data());
  c.score = scores[c.label_id];
  return c;
}

void Session::Impl::classify_chunk(const TokenBatch& batch, std::size_t wanted, std::vector<Classification>& answers) {
  std::size_t length = longest(batch);
  if (const auto fixed_length = fixed(1)) {
    length = *fixed_length;
  } else if (padding_is_free()) {
    length = std::min(kernels::round_up(length, kLengthStep), std::max(loaded().max_tokens, length));
  }
  const Tensor& logits = run(batch, length)[0];
  const std::size_t labels = model->labels().size();
  if (logits.type() != DType::f32 || logits.size() != static_cast<std::int64_t>(batch.size() * labels)) {
    throw Error(loaded().onnx_file.string() + ": expected float logits of " + std::to_string(batch.size()) + " x " +
                std::to_string(labels) + ", found " + engine::to_string(logits.shape()));
  }
  for (std::size_t b = 0; b < wanted; ++b) {
    answers.push_back(answer(logits.data<float>() + b * labels, batch.row_offsets[b + 1] - batch.row_offsets[b]));
  }
}

std::vector<Classification> Session::Impl::classify(const TokenBatch& batch) {
  check(batch, loaded().max_tokens);
  if (model->labels().empty()) {
    throw Error(loaded().onnx_file.string() + ": expected a classifier, whose first output is [batch, labels]");
  }
  if (loaded().input_ids < 0) throw Error(loaded().onnx_file.string() + ": no graph input takes token ids");
  std::vector<Classification> answers;
  const std::size_t chunk = fixed(0).value_or(std::max<std::size_t>(batch.size(), 1));
  for (std::size_t begin = 0; begin < batch.size(); begin += chunk) {
    const bool whole = begin == 0 && chunk == batch.size();
    classify_chunk(whole ? batch : slice(batch, begin, chunk), std::min(chunk, batch.size() - begin), answers);
  }
  return answers;
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return *impl_->model; }
void Session::trim() { impl_->runner.trim(); }

std::vector<Classification> Session::classify(const TokenBatch& batch) { return impl_->classify(batch); }

std::vector<Classification> Session::classify(std::span<const std::string_view> texts) {
  const LoadedModel& model = impl_->loaded();
  if (!model.tokenizer)
    throw Error(model.onnx_file.string() + ": no tokenizer beside it (tokenizer.json, vocab.txt, ...)");
  TokenBatch batch;
  std::vector<bool> truncated;
  Encoding encoding;
  for (std::string_view text : texts) {
    model.tokenizer->encode_into(text, nullptr, {.max_length = model.max_tokens}, encoding);
    batch.add(encoding.ids, encoding.type_ids);
    truncated.push_back(encoding.truncated);
  }
  std::vector<Classification> answers = impl_->classify(batch);
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i].truncated = truncated[i];
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
  std::vector<Output> outputs;
  const std::span<const Tensor> tensors = impl_->run(batch, impl_->fixed(1).value_or(longest(batch)));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].type() != DType::f32) continue;
    outputs.push_back(
        {impl_->graph().value(impl_->graph().outputs[i]).name, tensors[i].shape(), tensors[i].span<float>()});
  }
  return outputs;
}

}  // namespace sesame
