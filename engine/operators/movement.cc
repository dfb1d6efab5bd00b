// Operators that move elements without looking at them: Transpose, Concat, Split, Slice, Tile, Pad, Trilu.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/operators/common.h"
#include "engine/operators/loops.h"
#include "engine/operators/registry.h"

namespace sesame::engine {

namespace {

std::int64_t checked_mul(std::int64_t a, std::int64_t b) {
  std::int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw Error("a dimension overflows");
  return product;
}

std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) throw Error("a dimension overflows");
  return sum;
}

std::byte* bytes_of(const Tensor& t) { return static_cast<std::byte*>(t.raw()); }

// Elements before `axis` are outer, from it on inner.
std::size_t outer_size(const Shape& shape, std::size_t axis) {
  return static_cast<std::size_t>(element_count({shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis)}));
}

class Transpose : public Operator {
 public:
  explicit Transpose(const Node& node) : perm_(node.attributes.maybe_integers("perm")) {
    check_inputs(node, 1, 1);
    if (!perm_) return;
    std::vector<std::int64_t> sorted = *perm_;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i] != static_cast<std::int64_t>(i)) throw Error("perm " + to_string(*perm_) + " is not a permutation");
    }
  }
  void infer(Inference& io) const override {
    const Shape& shape = io.input(0).shape();
    if (perm_ && perm_->size() != shape.size()) {
      throw Error("perm " + to_string(*perm_) + " does not fit an input of rank " + std::to_string(shape.size()));
    }
    io.output(0, io.input(0).type(), permuted(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    copy_strided(e.inputs[0], 0, y.shape(), permuted(strides_of(e.inputs[0].shape())), y);
  }

 private:
  Shape permuted(const Shape& shape) const {
    if (!perm_) return {shape.rbegin(), shape.rend()};
    Shape out;
    for (std::int64_t axis : *perm_) out.push_back(shape[static_cast<std::size_t>(axis)]);
    return out;
  }
  std::optional<std::vector<std::int64_t>> perm_;
};

class Concat : public Operator {
 public:
  explicit Concat(const Node& node) : axis_(node.attributes.integer("axis")) { check_inputs(node, 1, kAnyNumber); }
  void infer(Inference& io) const override {
    Shape shape = io.input(0).shape();
    const std::size_t axis = normalized_axis(axis_, shape.size());
    for (std::size_t i = 1; i < io.input_count(); ++i) {
      check_same_type(io, 0, i);
      Shape other = io.input(i).shape();
      const std::string found = to_string(other);
      const std::int64_t along = axis < other.size() ? other[axis] : 0;
      if (axis < other.size()) other[axis] = shape[axis];
      if (other != shape)
        throw Error("cannot join " + found + " to " + to_string(shape) + " along axis " + std::to_string(axis));
      shape[axis] = checked_add(shape[axis], along);
    }
    io.output(0, io.input(0).type(), std::move(shape));
  }
  void compute(const Execution& e) const override {
    const Tensor& y = e.outputs[0];
    if (y.size() == 0) return;
    const std::size_t outer = outer_size(y.shape(), normalized_axis(axis_, y.rank()));
    const std::size_t pitch = y.bytes() / outer;
    std::byte* to = bytes_of(y);
    for (const Tensor& x : e.inputs) {
      const std::size_t piece = x.bytes() / outer;
      for (std::size_t i = 0; i < outer && piece != 0; ++i) {
        std::memcpy(to + i * pitch, bytes_of(x) + i * piece, piece);
      }
      to += piece;
    }
  }

 private:
  std::int64_t axis_;
};

// Sizes are an attribute before opset 13, an optional input since; without them the parts are equal, and from opset 18
// on the last may be smaller.
class Split : public Operator {
 public:
  explicit Split(const Node& node)
      : axis_(node.attributes.integer("axis", 0)), sizes_are_input_(node.version >= 13), parts_(node.outputs.size()) {
    check_inputs(node, 1, sizes_are_input_ ? 2 : 1);
    if (!sizes_are_input_) fixed_ = node.attributes.maybe_integers("split");
    uneven_ = node.attributes.has("num_outputs");
    if (uneven_ && node.attributes.integer("num_outputs") != static_cast<std::int64_t>(parts_)) {
      throw Error("attribute 'num_outputs' is " + std::to_string(node.attributes.integer("num_outputs")) + ", found " +
                  std::to_string(parts_) + " outputs");
    }
    if (parts_ == 0) throw Error("Split has no outputs");
  }
  void infer(Inference& io) const override {
    const Tensor& x = io.input(0);
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const auto sizes = io.has(1) ? checked(to_int64s(io.value(1)), x.dim(axis)) : sizes_of(x.dim(axis));
    for (std::size_t i = 0; i < parts_; ++i) {
      Shape shape = x.shape();
      shape[axis] = sizes[i];
      io.output(i, x.type(), std::move(shape));
    }
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const std::size_t axis = normalized_axis(axis_, x.rank());
    const auto sizes = e.has(1) ? checked(to_int64s(e.inputs[1]), x.dim(axis)) : sizes_of(x.dim(axis));
    const std::size_t outer = outer_size(x.shape(), axis);
    const std::size_t pitch = x.bytes() / outer;
    const std::size_t unit = pitch / static_cast<std::size_t>(x.dim(axis));
    const std::byte* from = bytes_of(x);
    for (std::size_t part = 0; part < parts_; ++part) {
      const std::size_t piece = static_cast<std::size_t>(sizes[part]) * unit;
      for (std::size_t i = 0; i < outer && piece != 0 && wants(e, part); ++i) {
        std::memcpy(bytes_of(e.outputs[part]) + i * piece, from + i * pitch, piece);
      }
      from += piece;
    }
  }

 private:
  std::vector<std::int64_t> sizes_of(std::int64_t dim) const {
    if (fixed_) return checked(*fixed_, dim);
    const auto parts = static_cast<std::int64_t>(parts_);
    if (dim % parts != 0 && !uneven_) {
      throw Error("cannot split " + std::to_string(dim) + " into " + std::to_string(parts) + " equal parts");
    }
    const std::int64_t size = (dim + parts - 1) / parts;
    std::vector<std::int64_t> sizes(parts_, size);
    for (std::size_t i = 0; i < parts_; ++i) {
      sizes[i] = std::clamp<std::int64_t>(dim - static_cast<std::int64_t>(i) * size, 0, size);
    }
    return sizes;
  }
  std::vector<std::int64_t> checked(std::vector<std::int64_t> sizes, std::int64_t dim) const {
    const bool negative = std::any_of(sizes.begin(), sizes.end(), [](std::int64_t s) { return s < 0; });
    std::int64_t sum = 0;
    for (std::int64_t s : sizes) sum = checked_add(sum, s);
    if (sizes.size() != parts_ || negative || sum != dim) {
      throw Error("cannot split " + std::to_string(dim) + " into " + std::to_string(parts_) + " parts of " +
                  to_string(sizes));
    }
    return sizes;
  }

  std::int64_t axis_;
  bool sizes_are_input_;
  bool uneven_;
  std::size_t parts_;
  std::optional<std::vector<std::int64_t>> fixed_;
};

// Starts, ends, axes and steps are attributes before opset 10 (without steps), inputs since.
class Slice : public Operator {
 public:
  explicit Slice(const Node& node) : from_inputs_(node.version >= 10) {
    check_inputs(node, from_inputs_ ? 3 : 1, from_inputs_ ? 5 : 1);
    if (from_inputs_) return;
    starts_ = node.attributes.integers("starts");
    ends_ = node.attributes.integers("ends");
    axes_ = node.attributes.maybe_integers("axes");
  }
  void infer(Inference& io) const override {
    const auto read = [&](std::size_t i) { return to_int64s(io.value(i)); };
    const Cut cut = plan(io.input(0).shape(), read, [&](std::size_t i) { return io.has(i); });
    io.output(0, io.input(0).type(), cut.shape);
  }
  void compute(const Execution& e) const override {
    const auto read = [&](std::size_t i) { return to_int64s(e.inputs[i]); };
    const Cut cut = plan(e.inputs[0].shape(), read, [&](std::size_t i) { return e.has(i); });
    copy_strided(e.inputs[0], cut.offset, cut.shape, cut.strides, e.outputs[0]);
  }

 private:
  struct Cut {
    Shape shape;
    Shape strides;
    std::int64_t offset = 0;
  };

  template <class Read, class Has>
  Cut plan(const Shape& shape, Read read, Has has) const {
    const auto starts = from_inputs_ ? read(1) : starts_;
    const auto ends = from_inputs_ ? read(2) : ends_;
    std::vector<std::int64_t> axes(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
    if (!from_inputs_ && axes_) axes = *axes_;
    if (from_inputs_ && has(3)) axes = read(3);
    const auto steps = from_inputs_ && has(4) ? read(4) : std::vector<std::int64_t>(starts.size(), 1);
    if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
      throw Error("starts, ends, axes and steps have " + std::to_string(starts.size()) + ", " +
                  std::to_string(ends.size()) + ", " + std::to_string(axes.size()) + " and " +
                  std::to_string(steps.size()) + " elements, expected as many");
    }
    Cut cut{shape, strides_of(shape)};
    std::vector<bool> seen(shape.size(), false);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::size_t axis = normalized_axis(axes[i], shape.size());
      if (seen[axis]) throw Error("axes " + to_string(axes) + " name an axis twice");
      seen[axis] = true;
      narrow(cut, axis, starts[i], ends[i], steps[i]);
    }
    return cut;
  }

  static void narrow(Cut& cut, std::size_t axis, std::int64_t start, std::int64_t end, std::int64_t step) {
    if (step == 0) throw Error("a step is 0");
    const std::int64_t dim = cut.shape[axis];
    step = std::clamp(step, -dim - 1, dim + 1);  // longer ones take one element as well
    const std::int64_t low = step > 0 ? 0 : -1;
    const auto place = [&](std::int64_t i) { return std::clamp(i < 0 ? i + dim : i, low, dim + low); };
    start = place(start);
    end = place(end);
    const std::int64_t span = step > 0 ? end - start : start - end;
    const std::int64_t stride = step > 0 ? step : -step;
    cut.shape[axis] = span <= 0 ? 0 : (span + stride - 1) / stride;
    if (cut.shape[axis] == 0) return;
    cut.offset += start * cut.strides[axis];
    cut.strides[axis] *= step;
  }

  bool from_inputs_;
  std::vector<std::int64_t> starts_;
  std::vector<std::int64_t> ends_;
  std::optional<std::vector<std::int64_t>> axes_;
};

class Tile : public Operator {
 public:
  explicit Tile(const Node& node) { check_inputs(node, 2, 2); }
  void infer(Inference& io) const override {
    Shape shape = io.input(0).shape();
    const auto repeats = to_int64s(io.value(1));
    if (repeats.size() != shape.size()) {
      throw Error("repeats " + to_string(repeats) + " do not fit an input of rank " + std::to_string(shape.size()));
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (repeats[i] < 0) throw Error("repeats " + to_string(repeats) + " are negative");
      shape[i] = checked_mul(shape[i], repeats[i]);
    }
    io.output(0, io.input(0).type(), std::move(shape));
  }
  void compute(const Execution& e) const override {
    // Each axis as two: the repetitions, which stand still in the input, and the elements.
    const Shape& shape = e.inputs[0].shape();
    const Shape strides = strides_of(shape);
    const auto repeats = to_int64s(e.inputs[1]);
    Shape doubled;
    Shape steps;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      doubled.insert(doubled.end(), {repeats[i], shape[i]});
      steps.insert(steps.end(), {0, strides[i]});
    }
    copy_strided(e.inputs[0], 0, doubled, steps, e.outputs[0]);
  }
};

// Pads are attributes before opset 11, inputs since, and may name axes from 18 on. A negative pad cuts off.
class Pad : public Operator {
 public:
  explicit Pad(const Node& node) : from_inputs_(node.version >= 11), mode_(node.attributes.text("mode", "constant")) {
    check_inputs(node, from_inputs_ ? 2 : 1, from_inputs_ ? 4 : 1);
    if (mode_ != "constant" && mode_ != "reflect" && mode_ != "edge" && mode_ != "wrap") {
      throw Error("attribute 'mode' is '" + mode_ + "', expected 'constant', 'reflect', 'edge' or 'wrap'");
    }
    if (from_inputs_) return;
    pads_ = node.attributes.integers("pads");
    value_ = node.attributes.real("value", 0);
  }
  void infer(Inference& io) const override {
    const Shape& in = io.input(0).shape();
    const auto pads = from_inputs_ ? spread(to_int64s(io.value(1)), axes(io), in.size()) : spread(pads_, {}, in.size());
    Shape out = in;
    for (std::size_t i = 0; i < in.size(); ++i) {
      out[i] = checked_add(checked_add(in[i], pads[i]), pads[i + in.size()]);
      if (out[i] < 0) throw Error("pads " + to_string(pads) + " cut more than " + to_string(in) + " has");
      if (mode_ != "constant" && in[i] == 0 && out[i] != 0) throw Error("cannot pad an empty axis in mode " + mode_);
    }
    if (io.has(2)) check_same_type(io, 0, 2);
    io.output(0, io.input(0).type(), std::move(out));
  }
  void compute(const Execution& e) const override {
    if (e.outputs[0].size() == 0) return;
    visit(e.inputs[0].type(), [&](auto t) { pad<decltype(t)>(e); });
  }

 private:
  template <class Io>
  static std::vector<std::int64_t> axes(const Io& io) {
    if (!io.has(3)) return {};
    if constexpr (std::is_same_v<Io, Inference>) {
      return to_int64s(io.value(3));
    } else {
      return to_int64s(io.inputs[3]);
    }
  }

  // Begins and ends of all axes from those of the named ones.
  static std::vector<std::int64_t> spread(const std::vector<std::int64_t>& pads, std::vector<std::int64_t> axes,
                                          std::size_t rank) {
    if (axes.empty()) {
      axes.resize(rank);
      std::iota(axes.begin(), axes.end(), 0);
    }
    if (pads.size() != 2 * axes.size()) {
      throw Error("pads have " + std::to_string(pads.size()) + " elements, expected " +
                  std::to_string(2 * axes.size()));
    }
    std::vector<std::int64_t> all(2 * rank, 0);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::size_t axis = normalized_axis(axes[i], rank);
      all[axis] = pads[i];
      all[axis + rank] = pads[i + axes.size()];
    }
    return all;
  }

  // Where each position of an output axis comes from, -1 for the padding value.
  std::vector<std::int64_t> sources(std::int64_t in, std::int64_t out, std::int64_t begin) const {
    std::vector<std::int64_t> source(static_cast<std::size_t>(out));
    for (std::int64_t i = 0; i < out; ++i) source[static_cast<std::size_t>(i)] = source_of(i - begin, in);
    return source;
  }
  std::int64_t source_of(std::int64_t i, std::int64_t in) const {
    if (i >= 0 && i < in) return i;
    if (mode_ == "constant") return -1;
    if (mode_ == "edge" || in == 1) return std::clamp<std::int64_t>(i, 0, in - 1);
    const std::int64_t period = mode_ == "wrap" ? in : 2 * (in - 1);
    const std::int64_t phase = ((i % period) + period) % period;
    return phase < in ? phase : period - phase;
  }

  template <class T>
  void pad(const Execution& e) const {
    const Tensor& x = e.inputs[0];
    const Tensor& y = e.outputs[0];
    T filler = store<T>(static_cast<Compute<T>>(value_));
    if (e.has(2) && e.inputs[2].size() > 0) filler = *e.inputs[2].data<T>();
    const auto pads = from_inputs_ ? spread(to_int64s(e.inputs[1]), axes(e), x.rank()) : spread(pads_, {}, x.rank());
    std::vector<std::vector<std::int64_t>> source;
    for (std::size_t i = 0; i < x.rank(); ++i) source.push_back(sources(x.dim(i), y.dim(i), pads[i]));
    const Shape strides = strides_of(x.shape());
    Shape index(y.rank(), 0);
    for (std::int64_t n = 0; n < y.size(); ++n) {
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < index.size() && offset >= 0; ++i) {
        const std::int64_t from = source[i][static_cast<std::size_t>(index[i])];
        offset = from < 0 ? -1 : offset + from * strides[i];
      }
      y.data<T>()[n] = offset < 0 ? filler : x.data<T>()[offset];
      for (std::size_t i = index.size(); i-- > 0 && ++index[i] == y.dim(i);) index[i] = 0;
    }
  }

  bool from_inputs_;
  std::string mode_;
  std::vector<std::int64_t> pads_;
  float value_ = 0;
};

// Keeps the upper or lower triangle of the last two axes, from the k-th diagonal on.
class Trilu : public Operator {
 public:
  explicit Trilu(const Node& node) : upper_(node.attributes.integer("upper", 1) != 0) { check_inputs(node, 1, 2); }
  void infer(Inference& io) const override {
    if (io.input(0).rank() < 2) {
      throw Error("the input has rank " + std::to_string(io.input(0).rank()) + ", expected at least 2");
    }
    io.output(0, io.input(0).type(), io.input(0).shape());
  }
  void compute(const Execution& e) const override {
    const Tensor& x = e.inputs[0];
    if (x.size() == 0) return;
    const std::int64_t rows = x.dim(x.rank() - 2);
    const std::int64_t columns = x.dim(x.rank() - 1);
    const std::int64_t k = e.has(1) ? std::clamp(scalar_integer(e.inputs[1], "k"), -rows, columns) : 0;
    const std::size_t bytes = byte_size(x.type());
    std::byte* to = bytes_of(e.outputs[0]);
    copy_all(x, e.outputs[0]);
    for (std::int64_t row = 0; row < x.size() / columns; ++row) {
      // The upper triangle keeps [diagonal, columns), the lower one [0, diagonal].
      const std::int64_t diagonal = row % rows + k;
      const std::int64_t begin = upper_ ? 0 : std::clamp<std::int64_t>(diagonal + 1, 0, columns);
      const std::int64_t end = upper_ ? std::clamp<std::int64_t>(diagonal, 0, columns) : columns;
      std::memset(to + static_cast<std::size_t>(row * columns + begin) * bytes, 0,
                  static_cast<std::size_t>(end - begin) * bytes);
    }
  }

 private:
  bool upper_;
};

}  // namespace

void register_movement(Registry& r) {
  r.add("Transpose", 1, make<Transpose>());
  r.add("Concat", 4, make<Concat>());
  r.add("Split", 2, make<Split>());
  r.add("Slice", 1, make<Slice>());
  r.add("Tile", 6, make<Tile>());
  r.add("Pad", 2, make<Pad>());
  r.add("Trilu", 14, make<Trilu>());
  r.add(kMicrosoft, "Trilu", 1, make<Trilu>());
}

}  // namespace sesame::engine
