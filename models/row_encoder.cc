#include "models/row_encoder.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/arena_layout.h"
#include "engine/linear_cache.h"

namespace sesame::models {

namespace {

// Calls fn(view, is_written) for each view of the operation.
template <class Fn>
void for_each_view(const RowOp& op, Fn&& fn) {
  std::visit(
      [&](const auto& o) {
        if constexpr (requires { o.x; }) fn(o.x);
        if constexpr (requires { o.y; }) fn(o.y);
        if constexpr (requires { o.residual; }) {
          if (o.adds_residual) fn(o.residual);
        }
        if constexpr (requires { o.out; }) fn(o.out);
      },
      op);
}

struct Lifetime {
  std::size_t first = static_cast<std::size_t>(-1);
  std::size_t last = 0;

  void extend(std::size_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
  bool is_used() const { return first <= last; }
};

// Places the buffers that are `shared` or not; returns the floats a row that they need together.
std::size_t place(std::vector<RowBuffer>& buffers, const std::vector<Lifetime>& lifetimes, bool shared) {
  std::vector<engine::Buffer> placed;
  std::vector<RowBuffer*> order;
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    if (buffers[b].shared != shared || !lifetimes[b].is_used()) continue;
    placed.push_back({buffers[b].width * sizeof(float), lifetimes[b].first, lifetimes[b].last});
    order.push_back(&buffers[b]);
  }
  const std::size_t bytes = engine::lay_out(placed);
  for (std::size_t i = 0; i < order.size(); ++i) order[i]->offset = placed[i].offset / sizeof(float);
  return bytes / sizeof(float);
}

}  // namespace

void place_buffers(RowEncoder& encoder) {
  std::vector<Lifetime> shared(encoder.buffers.size()), local(encoder.buffers.size());
  std::size_t time = 0;
  for (std::size_t p = 0; p < encoder.programs.size(); ++p) {
    for (const RowOp& op : encoder.programs[p]) {
      for_each_view(op, [&](const RowView& view) {
        shared[view.buffer].extend(2 * p);
        local[view.buffer].extend(time);
      });
      ++time;
    }
    if (p == encoder.attentions.size()) continue;
    const RowAttention& a = encoder.attentions[p];
    for (const RowView* view : {&a.query, &a.key, &a.value, &a.context}) shared[view->buffer].extend(2 * p + 1);
  }
  encoder.shared_floats = place(encoder.buffers, shared, true);
  encoder.block_floats = place(encoder.buffers, local, false);
  encoder.made = 0;
  for (const RowProgram& program : encoder.programs) {
    for (const RowOp& op : program) {
      const auto* linear = std::get_if<LinearRows>(&op);
      if (linear != nullptr) encoder.made = std::max(encoder.made, linear->linear.row_bytes());
    }
  }
}

std::size_t RowEncoder::weight_bytes() const {
  std::size_t bytes = 0;
  engine::LinearBytes linears;
  for (const RowProgram& program : programs) {
    for (const RowOp& op : program) {
      if (const auto* linear = std::get_if<LinearRows>(&op)) linears.add(linear->linear);
      bytes += models::weight_bytes(op);
    }
  }
  return bytes + linears.bytes();
}

std::vector<std::string> RowEncoder::describe() const {
  std::map<engine::LinearPrecision, std::size_t> linears;
  for (const RowProgram& program : programs) {
    for (const RowOp& op : program) {
      const auto* linear = std::get_if<LinearRows>(&op);
      if (linear != nullptr) ++linears[linear->linear.precision()];
    }
  }
  const RowAttention& a = attentions.front();
  std::string kinds;
  for (const auto& [precision, count] : linears) {
    kinds += ", " + std::to_string(count) + " Linears " + std::string(engine::name(precision));
  }
  return {"RowEncoder: " + std::to_string(attentions.size()) + " attentions of " + std::to_string(a.heads) +
          " heads by " + std::to_string(a.head_dim) + kinds + ", attention " + std::string(name(a.precision)) +
          (first_row_only ? ", last layer computes the first row only" : "")};
}

double multiply_adds(const RowEncoder& encoder, std::span<const std::size_t> lengths) {
  double total = 0;
  for (std::size_t length : lengths) {
    const auto keys = static_cast<double>(length);
    for (std::size_t p = 0; p < encoder.programs.size(); ++p) {
      const double rows = encoder.first_row_only && p + 1 == encoder.programs.size() ? 1 : keys;
      for (const RowOp& op : encoder.programs[p]) total += rows * multiply_adds(op);
    }
    for (std::size_t i = 0; i < encoder.attentions.size(); ++i) {
      const RowAttention& a = encoder.attentions[i];
      const double queries = encoder.first_row_only && i + 1 == encoder.attentions.size() ? 1 : keys;
      total += 2 * queries * keys * static_cast<double>(a.heads * a.head_dim);
    }
  }
  return total;
}

}  // namespace sesame::models
