#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "engine/normal_forms/emitter.h"
#include "engine/normal_forms/matcher.h"
#include "engine/normal_forms/normal_forms.h"
#include "engine/shape_probe.h"

namespace sesame::engine {

namespace {

// An axis of a value that lays a Linear's result out again: one of the axes before the features, or a part of those.
struct Axis {
  int row = -1;  // which of the leading axes; -1: features
  std::int64_t size = 1;
  std::int64_t stride = 0;  // features between neighbours
};

// Which features of the Linear the value has, and where: first + the sum of index * stride over its axes.
struct View {
  std::vector<Axis> axes;
  std::int64_t first = 0;

  std::int64_t features() const {
    std::int64_t n = 1;
    for (const Axis& axis : axes) n *= axis.row < 0 ? axis.size : 1;
    return n;
  }
};

struct Part {
  ValueId id;
  View view;
};

// The parts of one Linear's result that others read, through whatever selects and moves them.
class Parts {
 public:
  Parts(const Matcher& m, const ShapeProbe& probe, const Node& linear) : m_(m), probe_(probe), linear_(linear) {}

  // Nothing unless the parts are proper ones, do not overlap in sum, and nothing else is read.
  std::optional<std::vector<Part>> find() {
    const auto& shape = probe_.shape(linear_.output(0));
    if (!shape || shape->size() < 2 || !shape->back().is_constant()) return std::nullopt;
    rows_ = *shape;
    features_ = rows_.back().first;
    rows_.pop_back();
    View whole;
    for (std::size_t i = 0; i < rows_.size(); ++i) whole.axes.push_back({static_cast<int>(i), 0, 0});
    whole.axes.push_back({-1, features_, 1});
    if (!follow(linear_.output(0), whole, 0) || parts_.size() < 2) return std::nullopt;
    std::int64_t sum = 0;
    for (const Part& part : parts_) sum += part.view.features();
    return sum <= features_ ? std::optional(std::move(parts_)) : std::nullopt;
  }

 private:
  // Looks behind the value; false when all features together are read.
  bool follow(ValueId id, const View& view, int depth) {
    constexpr int kMostNodes = 12;
    if (id == kNoValue) return true;
    bool is_part = m_.uses().is_graph_output(id) || depth == kMostNodes;
    std::vector<Part> behind;
    for (const int n : m_.uses().readers(id)) {
      const Node& reader = m_.graph().nodes[static_cast<std::size_t>(n)];
      const bool moves = reader.input(0) == id && !is_part && step(reader, view, behind);
      if (!moves) is_part = true;
    }
    if (is_part) {
      parts_.push_back({id, view});
      return view.features() < features_ && depth > 0;
    }
    return std::all_of(behind.begin(), behind.end(),
                       [&](const Part& part) { return follow(part.id, part.view, depth + 1); });
  }

  // What the reader makes of the view, when it only selects or moves.
  bool step(const Node& reader, const View& view, std::vector<Part>& out) const {
    if (reader.output(0) == kNoValue || !reader.domain.empty()) return false;
    if (reader.is("Split")) return split(reader, view, out);
    std::optional<View> next;
    if (reader.is("Transpose")) next = transpose(reader, view);
    if (reader.is("Gather")) next = gather(reader, view);
    if (reader.is("Slice")) next = slice(reader, view);
    if (reader.is("Reshape") || reader.is("Squeeze") || reader.is("Unsqueeze")) next = relayout(reader, view);
    if (next) out.push_back({reader.output(0), std::move(*next)});
    return next.has_value();
  }

  static std::optional<View> transpose(const Node& node, const View& view) {
    const auto perm = node.attributes.maybe_integers("perm");
    if (!perm || perm->size() != view.axes.size()) return std::nullopt;
    View next{{}, view.first};
    for (const std::int64_t from : *perm) {
      if (from < 0 || static_cast<std::size_t>(from) >= view.axes.size()) return std::nullopt;
      next.axes.push_back(view.axes[static_cast<std::size_t>(from)]);
    }
    return next;
  }

  // Integers that are constant, or come out the same whatever the sizes.
  std::optional<std::vector<std::int64_t>> integers(ValueId id) const {
    const Tensor& t = m_.graph().constant(id) ? m_.graph().constant(id) : probe_.constant(id);
    if (!t || (t.type() != DType::i64 && t.type() != DType::i32)) return std::nullopt;
    return to_int64s(t);
  }

  // An axis of features, by its number.
  static std::optional<std::size_t> feature_axis(std::int64_t axis, const View& view) {
    const auto rank = static_cast<std::int64_t>(view.axes.size());
    if (axis < -rank || axis >= rank) return std::nullopt;
    const auto at = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    return view.axes[at].row < 0 ? std::optional(at) : std::nullopt;
  }

  std::optional<View> gather(const Node& node, const View& view) const {
    const auto index = integers(node.input(1));
    const auto axis = feature_axis(node.attributes.integer("axis", 0), view);
    if (!index || index->size() != 1 || !axis || !probe_.shape(node.input(1))) return std::nullopt;
    const std::int64_t size = view.axes[*axis].size;
    const std::int64_t at = (*index)[0] < 0 ? (*index)[0] + size : (*index)[0];
    if (at < 0 || at >= size) return std::nullopt;
    View next = view;
    next.first += at * view.axes[*axis].stride;
    next.axes[*axis] = {-1, 1, 0};
    const std::size_t index_rank = probe_.rank(node.input(1));
    if (index_rank > 1) return std::nullopt;
    if (index_rank == 0) next.axes.erase(next.axes.begin() + static_cast<std::ptrdiff_t>(*axis));
    return next;
  }

  std::optional<View> slice(const Node& node, const View& view) const {
    if (node.version < 10) return std::nullopt;
    const auto starts = integers(node.input(1)), ends = integers(node.input(2));
    const auto axes = node.input(3) == kNoValue ? std::vector<std::int64_t>{0} : integers(node.input(3));
    const auto steps = node.input(4) == kNoValue ? std::vector<std::int64_t>{1} : integers(node.input(4));
    if (!starts || !ends || !axes || !steps) return std::nullopt;
    if (starts->size() != 1 || ends->size() != 1 || axes->size() != 1 || *steps != std::vector<std::int64_t>{1}) {
      return std::nullopt;
    }
    const auto axis = feature_axis((*axes)[0], view);
    if (!axis) return std::nullopt;
    const std::int64_t size = view.axes[*axis].size;
    const auto clipped = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size); };
    const std::int64_t begin = clipped((*starts)[0]), end = clipped((*ends)[0]);
    return begin < end ? std::optional(range(view, *axis, begin, end - begin)) : std::nullopt;
  }

  static View range(const View& view, std::size_t axis, std::int64_t begin, std::int64_t size) {
    View next = view;
    next.first += begin * view.axes[axis].stride;
    next.axes[axis].size = size;
    return next;
  }

  bool split(const Node& node, const View& view, std::vector<Part>& out) const {
    const auto axis = feature_axis(node.attributes.integer("axis", 0), view);
    if (!axis) return false;
    std::int64_t begin = 0;
    for (const ValueId id : node.outputs) {
      const auto& shape = probe_.shape(id);
      if (id == kNoValue || !shape || shape->size() != view.axes.size() || !(*shape)[*axis].is_constant()) return false;
      const std::int64_t size = (*shape)[*axis].first;
      if (size < 1 || begin + size > view.axes[*axis].size) return false;
      out.push_back({id, range(view, *axis, begin, size)});
      begin += size;
    }
    return true;
  }

  // A Reshape that leaves the rows alone and parts or joins features.
  std::optional<View> relayout(const Node& node, const View& view) const {
    const auto& shape = probe_.shape(node.output(0));
    if (!shape) return std::nullopt;
    View next{{}, view.first};
    std::size_t to = 0;
    const auto take_ones = [&] {
      for (; to < shape->size() && (*shape)[to].is(1); ++to) next.axes.push_back({-1, 1, 0});
    };
    for (std::size_t from = 0; from < view.axes.size();) {
      const Axis& axis = view.axes[from];
      if (axis.row >= 0) {
        const ProbedDim row = rows_[static_cast<std::size_t>(axis.row)];
        if (!row.is(1)) take_ones();
        if (to == shape->size() || !((*shape)[to] == row)) return std::nullopt;
        next.axes.push_back(axis);
        ++to, ++from;
        continue;
      }
      std::size_t end = from + 1;  // of the run of features that count on
      std::int64_t size = axis.size;
      for (; end < view.axes.size() && view.axes[end].row < 0 && joins(view.axes[end - 1], view.axes[end]); ++end) {
        size *= view.axes[end].size;
      }
      if (!part(size, view.axes[end - 1].stride, *shape, to, next)) return std::nullopt;
      from = end;
    }
    take_ones();
    return to == shape->size() ? std::optional(std::move(next)) : std::nullopt;
  }

  static bool joins(const Axis& outer, const Axis& inner) {
    return outer.size == 1 || inner.size == 1 || outer.stride == inner.size * inner.stride;
  }

  // `size` features, `stride` apart, as the dimensions from `to` on.
  static bool part(std::int64_t size, std::int64_t stride, const ProbedShape& shape, std::size_t& to, View& next) {
    const std::size_t begin = to;
    std::int64_t product = 1;
    for (; product < size; ++to) {
      if (to == shape.size() || !shape[to].is_constant() || shape[to].first < 1) return false;
      product *= shape[to].first;
      if (product > size) return false;
    }
    std::int64_t inner = stride;
    std::vector<Axis> axes;
    for (std::size_t i = to; i-- > begin; inner *= shape[i].first)
      axes.insert(axes.begin(), {-1, shape[i].first, inner});
    next.axes.insert(next.axes.end(), axes.begin(), axes.end());
    return true;
  }

  const Matcher& m_;
  const ShapeProbe& probe_;
  const Node& linear_;
  ProbedShape rows_;
  std::int64_t features_ = 0;
  std::vector<Part> parts_;
};

// The features of a view in the order of their numbers, axis by axis from the longest stride on.
std::vector<std::size_t> by_stride(const View& view) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < view.axes.size(); ++i) {
    if (view.axes[i].row < 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return view.axes[a].stride > view.axes[b].stride; });
  return order;
}

std::vector<std::int64_t> features_of(const View& view, const std::vector<std::size_t>& order) {
  std::vector<std::int64_t> features = {view.first};
  for (const std::size_t axis : order) {
    std::vector<std::int64_t> next;
    for (const std::int64_t base : features) {
      for (std::int64_t i = 0; i < view.axes[axis].size; ++i) next.push_back(base + i * view.axes[axis].stride);
    }
    features = std::move(next);
  }
  return features;
}

// These entries of an axis of a float matrix or vector.
Tensor select(const Tensor& t, std::size_t axis, const std::vector<std::int64_t>& entries) {
  Shape shape = t.shape();
  shape[axis] = static_cast<std::int64_t>(entries.size());
  const Tensor out = Tensor::allocate(DType::f32, shape);
  const bool rows = axis == 0;
  const auto width = static_cast<std::size_t>(rows ? t.size() / t.dim(0) : 1);
  const auto outer = static_cast<std::size_t>(rows ? 1 : t.dim(0));
  const auto pitch = static_cast<std::size_t>(t.dim(axis));
  float* to = out.data<float>();
  for (std::size_t o = 0; o < outer; ++o) {
    for (const std::int64_t entry : entries) {
      std::memcpy(to, t.data<float>() + (o * pitch + static_cast<std::size_t>(entry)) * width, width * sizeof(float));
      to += width;
    }
  }
  return out;
}

class Parting {
 public:
  explicit Parting(Graph& graph) : graph_(graph) {}

  bool run() {
    const Matcher m(graph_);
    const ShapeProbe probe(graph_);
    for (const Node& node : graph_.nodes) {
      if (!is_plain(node)) continue;
      if (auto parts = Parts(m, probe, node).find()) found_.emplace_back(node, std::move(*parts));
    }
    if (found_.empty()) return false;
    for (const auto& [linear, parts] : found_) {
      for (const Part& part : parts) drop_output(part.id);
      for (const Part& part : parts) write(linear, part);
    }
    for (Node& node : added_) graph_.nodes.push_back(std::move(node));
    sort_topologically(graph_);
    remove_dead_nodes(graph_);
    return true;
  }

 private:
  bool is_plain(const Node& node) const {
    const Tensor& weight = graph_.constant(node.input(1));
    return node.is("Linear", kSesame) && !node.step && weight && weight.type() == DType::f32 && weight.rank() == 2 &&
           node.attributes.all().size() == (node.attributes.has("transposed") ? 1 : 0);
  }

  void drop_output(ValueId id) {
    for (Node& node : graph_.nodes) std::replace(node.outputs.begin(), node.outputs.end(), id, kNoValue);
  }

  // Transpose(Reshape(Linear of the part's features alone))
  void write(const Node& linear, const Part& part) {
    const std::vector<std::size_t> order = by_stride(part.view);
    const std::vector<std::int64_t> features = features_of(part.view, order);
    const std::string name = graph_.value(part.id).name;
    Node own = linear;
    const std::size_t axis = linear.attributes.integer("transposed", 0) != 0 ? 0 : 1;
    own.inputs[1] = graph_.add_constant(name + "/weight", select(graph_.constant(linear.input(1)), axis, features));
    if (linear.input(2) != kNoValue) {
      own.inputs[2] = graph_.add_constant(name + "/bias", select(graph_.constant(linear.input(2)), 0, features));
    }
    // Rows in their order, then features in theirs; where axis i of the part lies in that.
    std::vector<std::size_t> laid_out;
    for (int row = 0; row < static_cast<int>(part.view.axes.size()); ++row) {
      for (std::size_t i = 0; i < part.view.axes.size(); ++i) {
        if (part.view.axes[i].row == row) laid_out.push_back(i);
      }
    }
    const std::size_t rows = laid_out.size();
    laid_out.insert(laid_out.end(), order.begin(), order.end());
    std::vector<std::int64_t> shape(rows, 0), perm;  // 0: as the input has it
    for (const std::size_t i : order) shape.push_back(part.view.axes[i].size);
    for (std::size_t i = 0; i < laid_out.size(); ++i) {
      perm.push_back(std::find(laid_out.begin(), laid_out.end(), i) - laid_out.begin());
    }
    const bool moves = !std::is_sorted(perm.begin(), perm.end());
    const bool reshapes = order.size() != 1;
    const ValueId dense = reshapes || moves ? graph_.add_value(name + "/dense") : part.id;
    own.outputs = {dense};
    added_.push_back(std::move(own));
    Emitter e(graph_, added_, name);
    ValueId from = dense;
    if (reshapes) {
      const auto rank = static_cast<std::int64_t>(shape.size());
      const ValueId to = moves ? graph_.add_value(name + "/heads") : part.id;
      e.emit_to(to, "Reshape", 13, {from, e.constant(Tensor::of<std::int64_t>({rank}, shape))});
      from = to;
    }
    if (moves) e.emit_to(part.id, "Transpose", 13, {from}, Emitter::with("perm", perm));
  }

  Graph& graph_;
  std::vector<std::pair<Node, std::vector<Part>>> found_;
  std::vector<Node> added_;
};

}  // namespace

bool part_projections(Graph& graph) { return Parting(graph).run(); }

}  // namespace sesame::engine
