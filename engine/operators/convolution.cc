#include "engine/operators/convolution.h"

#include <algorithm>

namespace sesame::engine {

namespace {

// Larger sizes, strides and pads do not occur and would only overflow.
constexpr std::int64_t kMost = std::int64_t{1} << 40;

void check_range(const char* what, const std::vector<std::int64_t>& values, std::int64_t least) {
  for (std::int64_t v : values) {
    if (v < least || v > kMost) throw Error(std::string(what) + " " + to_string(values) + " are out of range");
  }
}

}  // namespace

Shape ConvolutionShape::output() const {
  Shape y{batch, groups * features};
  y.insert(y.end(), out.begin(), out.end());
  return y;
}

bool ConvolutionShape::is_pointwise() const {
  const auto all = [](const std::vector<std::int64_t>& v, std::int64_t value) {
    return std::all_of(v.begin(), v.end(), [=](std::int64_t x) { return x == value; });
  };
  return all(kernel, 1) && all(strides, 1) && all(begins, 0) && in == out;
}

void ConvolutionShape::sources(std::int64_t k, std::int64_t first, std::int64_t count, std::int64_t* source) const {
  const std::size_t rank = kernel.size();
  Shape tap(rank), position(rank);
  for (std::size_t i = rank; i-- > 0; k /= kernel[i]) tap[i] = k % kernel[i] * dilations[i] - begins[i];
  std::int64_t rest = first;
  for (std::size_t i = rank; i-- > 0; rest /= out[i]) position[i] = rest % out[i];
  const std::int64_t channel = k * in_size();  // the kernel's axes are divided off
  for (std::int64_t p = 0; p < count; ++p) {
    std::int64_t offset = 0;
    bool inside = true;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::int64_t at = position[i] * strides[i] + tap[i];
      inside = inside && at >= 0 && at < in[i];
      offset = offset * in[i] + at;
    }
    source[p] = inside ? channel + offset : -1;
    for (std::size_t i = rank; i-- > 0 && ++position[i] == out[i];) position[i] = 0;
  }
}

ConvolutionParameters::ConvolutionParameters(const Node& node)
    : auto_pad_(node.attributes.text("auto_pad", "NOTSET")),
      group_(node.attributes.integer("group", 1)),
      kernel_(node.attributes.maybe_integers("kernel_shape")),
      strides_(node.attributes.maybe_integers("strides")),
      dilations_(node.attributes.maybe_integers("dilations")),
      pads_(node.attributes.maybe_integers("pads")) {
  if (auto_pad_ != "NOTSET" && auto_pad_ != "VALID" && auto_pad_ != "SAME_UPPER" && auto_pad_ != "SAME_LOWER") {
    throw Error("attribute 'auto_pad' is '" + auto_pad_ + "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  if (group_ < 1) throw Error("attribute 'group' is " + std::to_string(group_) + ", expected at least 1");
}

ConvolutionShape ConvolutionParameters::shape(const Shape& x, const Shape& w) const {
  if (x.size() < 3 || w.size() != x.size()) {
    throw Error("input of shape " + to_string(x) + " and weight of shape " + to_string(w) + " do not fit");
  }
  const std::size_t rank = x.size() - 2;
  ConvolutionShape s;
  s.batch = x[0];
  s.groups = group_;
  s.channels = w[1];
  s.features = w[0] / group_;
  if (x[1] % group_ != 0 || x[1] / group_ != w[1] || w[0] % group_ != 0) {
    throw Error("input of shape " + to_string(x) + " and weight of shape " + to_string(w) + " do not fit " +
                std::to_string(group_) + " groups");
  }
  s.in.assign(x.begin() + 2, x.end());
  s.kernel.assign(w.begin() + 2, w.end());
  if (kernel_ && *kernel_ != s.kernel) {
    throw Error("attribute 'kernel_shape' is " + to_string(*kernel_) + ", the weight's is " + to_string(s.kernel));
  }
  s.strides = strides_.value_or(std::vector<std::int64_t>(rank, 1));
  s.dilations = dilations_.value_or(std::vector<std::int64_t>(rank, 1));
  std::vector<std::int64_t> pads = pads_.value_or(std::vector<std::int64_t>(2 * rank, 0));
  if (s.strides.size() != rank || s.dilations.size() != rank || pads.size() != 2 * rank) {
    throw Error("strides, dilations or pads do not fit " + std::to_string(rank) + " axes");
  }
  check_range("strides", s.strides, 1);
  check_range("dilations", s.dilations, 1);
  check_range("pads", pads, 0);
  check_range("dimensions", s.in, 0);
  check_range("kernel dimensions", s.kernel, 1);
  for (std::size_t i = 0; i < rank; ++i) {
    std::int64_t reach;
    if (__builtin_mul_overflow(s.kernel[i] - 1, s.dilations[i], &reach) || ++reach > kMost) {
      throw Error("the kernel is too large");
    }
    if (auto_pad_ == "VALID") pads[i] = pads[i + rank] = 0;
    if (auto_pad_ == "SAME_UPPER" || auto_pad_ == "SAME_LOWER") {
      const std::int64_t wanted = (s.in[i] + s.strides[i] - 1) / s.strides[i];
      const std::int64_t total = std::max<std::int64_t>((wanted - 1) * s.strides[i] + reach - s.in[i], 0);
      pads[i] = auto_pad_ == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[i + rank] = total - pads[i];
    }
    const std::int64_t room = s.in[i] + pads[i] + pads[i + rank] - reach;
    s.out.push_back(room < 0 ? 0 : room / s.strides[i] + 1);
  }
  s.begins.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  return s;
}

}  // namespace sesame::engine
