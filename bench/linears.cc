#include "bench/linears.h"

#include <algorithm>
#include <random>
#include <vector>

#include "bench/latency.h"
#include "bench/profile.h"
#include "bench/report.h"
#include "engine/plan.h"
#include "models/encoder_memory.h"
#include "models/encoder_step.h"
#include "models/model.h"
#include "models/row_maker.h"

namespace sesame::bench {
namespace {

using models::BlockRows;
using models::Encoder;

// The model's encoder, or null.
const Encoder* encoder_of(const LoadedModel& model) {
  for (std::size_t n = 0; n < model.plan->steps(); ++n) {
    if (const auto* step = dynamic_cast<const models::EncoderStep*>(&model.plan->step(n))) return &step->encoder();
  }
  return nullptr;
}

engine::Tensor random_rows(std::size_t rows, std::size_t width) {
  engine::Tensor x = engine::Tensor::allocate(engine::DType::f32, {static_cast<std::int64_t>(rows * width)});
  std::minstd_rand random;
  std::normal_distribution<float> normal;
  std::generate_n(x.data<float>(), rows * width, [&] { return normal(random); });
  return x;
}

class Linears {
 public:
  Linears(const Encoder& encoder, std::size_t rows, std::size_t sequences)
      : encoder_(encoder),
        widths_(encoder),
        rows_(rows),
        sequences_(sequences),
        input_(random_rows(models::kMaxBlock, widths_.widest)),
        qkv_(engine::Tensor::allocate_arena(rows * widths_.qkv * sizeof(float))),
        scratch_(engine::Tensor::allocate_arena(BlockRows::bytes(widths_))),
        block_(BlockRows::at(static_cast<std::byte*>(scratch_.raw()), widths_)) {}

  // Once over all weights; the time it took, in milliseconds, without that of making rows.
  double run() const {
    double total = for_blocks(rows_, [&](std::size_t begin, std::size_t count) { return project(0, begin, count); });
    for (std::size_t l = 0; l < encoder_.layers.size(); ++l) {
      const models::EncoderLayer& layer = encoder_.layers[l];
      const bool last = l + 1 == encoder_.layers.size();
      total +=
          for_blocks(last && encoder_.first_row_only ? sequences_ : rows_, [&](std::size_t begin, std::size_t count) {
            double time = multiply(layer.attn_out, count, 0, block_.first_rows, encoder_.hidden);
            time += multiply(layer.ffn_in, count, 0, block_.ffn, layer.ffn_in.out_features());
            time += multiply(layer.ffn_out, count, 0, block_.first_rows, encoder_.hidden);
            return last ? time : time + project(l + 1, begin, count);
          });
    }
    return total;
  }

 private:
  template <class Work>
  static double for_blocks(std::size_t rows, Work work) {
    const std::size_t blocks = (rows + models::kMaxBlock - 1) / models::kMaxBlock;
    double total = 0;
    for (std::size_t b = 0; b < blocks; ++b)
      total += work(rows * b / blocks, rows * (b + 1) / blocks - rows * b / blocks);
    return total;
  }

  double project(std::size_t layer, std::size_t begin, std::size_t count) const {
    const engine::Linear& linear = encoder_.layers[layer].query_key_value;
    const bool pruned = encoder_.first_row_only && layer + 1 == encoder_.layers.size();
    float* out = static_cast<float*>(qkv_.raw()) + begin * widths_.qkv;
    return multiply(linear, count, pruned ? linear.part_offset(1) : 0, out, widths_.qkv);
  }

  // Columns from `first` on.
  double multiply(const engine::Linear& linear, std::size_t count, std::size_t first, float* out,
                  std::size_t ld) const {
    const kernels::Table& kernels = kernels::table(kernels::default_isa());
    const models::RowMaker maker(kernels, linear, block_);
    const float* x = input_.data<float>();
    for (std::size_t m = 0; m < count; ++m) maker.convert(m, x + m * linear.in_features());
    const engine::Rows rows = maker.rows(x, static_cast<std::ptrdiff_t>(linear.in_features()));
    return time_once([&] {
      linear.run(kernels, rows, count, first, linear.out_features(), {}, out + first, static_cast<std::ptrdiff_t>(ld));
    });
  }

  const Encoder& encoder_;
  models::EncoderWidths widths_;
  std::size_t rows_, sequences_;
  engine::Tensor input_, qkv_, scratch_;
  BlockRows block_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

}  // namespace

bool has_encoder(const LoadedModel& model) { return encoder_of(model) != nullptr; }

LinearsAlone time_linears(const LoadedModel& model, const TokenBatch& batch, int runs) {
  engine::Runner runner(*model.plan, {.threads = 1, .padded_positions = false});
  const auto inputs = make_inputs(model, batch);
  const Encoder& encoder = *encoder_of(model);
  const Linears linears(encoder, batch.ids.size(), batch.size());
  std::vector<double> alone, pass;
  for (int i = -3; i < runs; ++i) {
    const double linears_time = linears.run(), pass_time = time_once([&] { runner.run(inputs); });
    if (i < 0) continue;  // warm-up
    alone.push_back(linears_time);
    pass.push_back(pass_time);
  }
  return {median(std::move(alone)), median(std::move(pass))};
}

std::string to_line(const LinearsAlone& times) {
  return "the pass: " + fixed(times.pass, 3) + " ms, " + fixed(times.pass / times.linears, 3) +
         " times its linear GEMMs alone, in turn with it: " + fixed(times.linears, 3) + " ms\n";
}

}  // namespace sesame::bench
