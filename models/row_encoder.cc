#include "models/row_encoder.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/arena_layout.h"
#include "engine/linear_cache.h"
#include "models/encoder_memory.h"

namespace sesame::models {

namespace {

struct Lifetime {
  std::size_t first = static_cast<std::size_t>(-1);
  std::size_t last = 0;

  void extend(std::size_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
  bool is_used() const { return first <= last; }
};

// Places the buffers that are `shared` or not; returns the bytes a row that they need together.
std::size_t place(std::vector<RowBuffer>& buffers, const std::vector<Lifetime>& lifetimes, bool shared) {
  std::vector<engine::Buffer> placed;
  std::vector<RowBuffer*> order;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].shared != shared || !lifetimes[b].is_used()) continue;
    placed.push_back({buffers[b].row_bytes(), lifetimes[b].first, lifetimes[b].last});
    order.push_back(&buffers[b]);
  }
  const std::size_t bytes = engine::lay_out(placed);
  for (std::size_t i = 0; i < order.size(); ++i) order[i]->offset = placed[i].offset;
  return bytes;
}

}  // namespace

void place_buffers(RowEncoder& encoder) {
  std::vector<Lifetime> shared(encoder.buffers.size()), local(encoder.buffers.size());
  // Operations between two on whole blocks take turns row by row, so what any of them uses is alive in all of them.
  std::size_t time = 0;
  for (std::size_t p = 0; p < encoder.programs.size(); ++p) {
    for (const RowOp& op : encoder.programs[p]) {
      if (takes_block(op)) ++time;
      for_each_view(op, [&](const RowView& view) {
        shared[view.buffer].extend(2 * p);
        local[view.buffer].extend(time);
      });
      if (takes_block(op)) ++time;
    }
    ++time;
  }
  for (const RowAttention& a : encoder.attentions) {
    for (const RowView* view : {&a.query, &a.key, &a.value, &a.context}) shared[view->buffer].extend(2 * a.program + 1);
  }
  encoder.shared_bytes = place(encoder.buffers, shared, true);
  encoder.block_bytes = place(encoder.buffers, local, false);
  encoder.made = encoder.sums = 0;
  for (const RowProgram& program : encoder.programs) {
    for (const RowOp& op : program) {
      const auto* linear = std::get_if<LinearRows>(&op);
      if (linear != nullptr) encoder.made = std::max(encoder.made, linear->linear.row_bytes());
      if (const auto* bytes = std::get_if<ByteLinearRows>(&op)) {
        const std::size_t columns = std::min(kByteColumns, bytes->linear->out_features());
        encoder.sums = std::max(encoder.sums, bytes->linear->scratch_bytes(kMaxBlock, columns));
      }
    }
  }
}

std::size_t RowEncoder::weight_bytes() const {
  std::size_t bytes = 0;
  engine::LinearBytes linears;
  std::set<const engine::QuantizedLinear*> counted;
  for (const RowProgram& program : programs) {
    for (const RowOp& op : program) {
      if (const auto* linear = std::get_if<LinearRows>(&op)) linears.add(linear->linear);
      const auto* quantized = std::get_if<ByteLinearRows>(&op);
      if (quantized != nullptr && counted.insert(quantized->linear.get()).second)
        bytes += quantized->linear->weight_bytes();
      bytes += models::weight_bytes(op);
    }
  }
  for (const RowAttention& a : attentions) bytes += a.relative.weight_bytes();
  return bytes + linears.bytes();
}

std::vector<std::string> RowEncoder::describe() const {
  std::map<std::string_view, std::size_t> linears;
  bool finds_grids = false;
  for (const RowProgram& program : programs) {
    for (const RowOp& op : program) {
      const auto* linear = std::get_if<LinearRows>(&op);
      if (linear != nullptr) ++linears[engine::name(linear->linear.precision())];
      if (std::holds_alternative<ByteLinearRows>(op)) ++linears["quantized by the file"];
      finds_grids |= std::holds_alternative<RangeRows>(op);
    }
  }
  const RowAttention& a = attentions.front();
  std::string kinds;
  for (const auto& [precision, count] : linears) {
    kinds += ", " + std::to_string(count) + " Linears " + std::string(precision);
  }
  return {"RowEncoder: " + std::to_string(attentions.size()) + " attentions of " + std::to_string(a.heads) +
          " heads by " + std::to_string(a.head_dim) + kinds + ", attention " +
          (a.bytes ? "quantized by the file" : std::string(name(a.precision))) + models::describe(a.relative) +
          (first_row_only ? ", last layer computes the first row only" : "") +
          (finds_grids ? ", scales found by tensor, padding included" : "")};
}

double multiply_adds(const RowEncoder& encoder, std::span<const std::size_t> lengths) {
  double total = 0;
  for (std::size_t length : lengths) {
    const auto keys = static_cast<double>(length);
    for (std::size_t p = 0; p < encoder.programs.size(); ++p) {
      const double rows = encoder.is_pruned(p) ? 1 : keys;
      for (const RowOp& op : encoder.programs[p]) total += rows * multiply_adds(op);
    }
    for (const RowAttention& a : encoder.attentions) {
      const double queries = encoder.is_pruned(a) ? 1 : keys;
      if (a.relative) total += a.relative.multiply_adds(a.heads, encoder.is_pruned(a) ? 1 : length, length);
      total += 2 * queries * keys * static_cast<double>(a.heads * a.head_dim);
    }
  }
  return total;
}

}  // namespace sesame::models
