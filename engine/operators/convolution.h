// The geometry that convolutions of any rank share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/operators/common.h"

namespace sesame::engine {

// One convolution: x [batch, groups * channels, in..], w [groups * features, channels, kernel..],
// y [batch, groups * features, out..].
struct ConvolutionShape {
  std::int64_t batch, groups, channels, features;
  Shape in, kernel, out;
  std::vector<std::int64_t> strides, dilations, begins;  // begins: padding before the first element

  std::int64_t in_size() const { return element_count(in); }
  std::int64_t out_size() const { return element_count(out); }
  std::int64_t depth() const { return channels * element_count(kernel); }  // products summed for an output
  Shape output() const;                                                    // y's shape
  // Whether output position p reads input position p and nothing else.
  bool is_pointwise() const;
  // For a value k of [0, depth()): which element of the group's input it multiplies in output positions
  // [first, first + count), -1 in the padding.
  void sources(std::int64_t k, std::int64_t first, std::int64_t count, std::int64_t* source) const;
};

// Reads and checks auto_pad, dilations, group, kernel_shape, pads and strides.
class ConvolutionParameters {
 public:
  explicit ConvolutionParameters(const Node& node);
  // Throws Error where shapes do not fit.
  ConvolutionShape shape(const Shape& x, const Shape& w) const;

 private:
  std::string auto_pad_;
  std::int64_t group_;
  std::optional<std::vector<std::int64_t>> kernel_, strides_, dilations_, pads_;
};

}  // namespace sesame::engine
