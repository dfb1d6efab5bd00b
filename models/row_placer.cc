#include "models/row_placer.h"

#include <algorithm>

#include "engine/linear.h"
#include "engine/operators/quantization.h"
#include "engine/quantized_node.h"

namespace sesame::models {

using engine::DType;
using engine::kMicrosoft;
using engine::kNoValue;
using engine::kSesame;
using engine::Matcher;
using engine::Node;
using engine::Tensor;
using engine::ValueId;
using kernels::Combination;

bool is_activation(const Node& node) { return node.is("Gelu") || node.is("Relu") || node.is("Tanh"); }

kernels::Activation activation_of(const Node& node) {
  if (node.is("Relu")) return kernels::Activation::relu;
  if (node.is("Tanh")) return kernels::Activation::tanh;
  return node.attributes.text("approximate", "none") == "tanh" ? kernels::Activation::gelu_tanh
                                                               : kernels::Activation::gelu_erf;
}

bool is_sum_of_activations(const Matcher& m, const Node* node) {
  if (node == nullptr) return false;
  const bool bytes = node->is("QLinearAdd", kMicrosoft);
  return (bytes || node->is("Add")) && !m.graph().is_constant(node->input(0)) &&
         !m.graph().is_constant(node->input(bytes ? 3 : 1));
}

// --- Where values are ---

std::size_t RowPlacer::program_of(ValueId id) const {
  const auto it = placed_.find(id);
  return it == placed_.end() ? 0 : it->second.program;
}

std::size_t RowPlacer::program_of(const std::vector<ValueId>& operands) const {
  std::size_t program = 0;
  for (ValueId id : operands) program = std::max(program, program_of(id));
  return program;
}

RowView RowPlacer::view(ValueId id, std::size_t program) {
  if (const auto it = placed_.find(id); it != placed_.end()) return it->second.view;
  const auto [it, is_new] = loaded_.try_emplace({id, program});
  if (!is_new) return it->second;
  LoadRows load;
  load.out = it->second = writer_.new_rows(rows_.broadcast_width(id), is_bytes(id));
  const auto lookup = table_lookup(id);
  if (lookup) load.table = lookup->table;
  load.input =
      lookup ? input_of(lookup->ids, std::nullopt, load.out.width) : input_of(id, probe_.type(id), load.out.width);
  writer_.write(program, std::move(load));
  return it->second;
}

std::optional<engine::RowLookup> RowPlacer::table_lookup(ValueId id) const {
  const Node* node = m_.uses().producer(id);
  if (node == nullptr) return std::nullopt;
  auto lookup = engine::row_lookup(m_.graph(), *node);
  if (!lookup && node->is("Gather") && node->attributes.integer("axis", 0) == 0) {  // of bytes that stay bytes
    const Tensor& rows = m_.graph().constant(node->input(0));
    if (rows && rows.rank() == 2) lookup = {{rows, {}}, node->input(1)};
  }
  if (!lookup) return std::nullopt;
  const auto& ids = probe_.shape(lookup->ids);
  const auto& out = probe_.shape(id);
  return ids && ids->size() <= 2 && out && out->size() == ids->size() + 1 ? lookup : std::nullopt;
}

std::size_t RowPlacer::input_of(ValueId id, std::optional<DType> type, std::size_t width) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i] == id && kinds_[i] == RowEncoder::Input{type, width}) return i;
  }
  inputs_.push_back(id);
  kinds_.push_back({type, width});
  return inputs_.size() - 1;
}

RowView RowPlacer::place_value(ValueId id, std::size_t program) {
  const RowView view = writer_.new_rows(rows_.width(id), is_bytes(id));
  placed_[id] = {view, program};
  return view;
}

RowOperand RowPlacer::operand(ValueId id, std::size_t program) {
  if (const Tensor& constant = m_.graph().constant(id)) return {{}, constant};
  return {view(id, program), {}};
}

// --- Operations ---

// Whether the Linear's result goes into its only reader's operation.
bool RowPlacer::is_deferred(const Node& node) const {
  const ValueId out = node.output(0);
  if (!node.is("Linear", kSesame) || !m_.uses().has_one_reader(out)) return false;
  const Node& reader = node_at(m_.uses().readers(out)[0]);
  if (!needed_.contains(reader.output(0)) || !rows_.operands(reader)) return false;
  if (is_activation(reader)) return true;
  if (!reader.is("Add") || !is_sum_of_activations(m_, &reader)) return false;
  const ValueId residual = Matcher::other_operand(reader, out);
  if (rows_.broadcast_width(residual) != rows_.width(out)) return false;
  // Of two Linears the second takes the first as its residual.
  const Node* second = m_.made_by(reader.input(1), "Linear", kSesame);
  return second == &node || second == nullptr || !m_.uses().has_one_reader(reader.input(1));
}

const Node* RowPlacer::deferred(ValueId id) const {
  const Node* node = m_.made_by(id, "Linear", kSesame);
  return node != nullptr && needed_.contains(id) && is_deferred(*node) ? node : nullptr;
}

template <class Fn>
void RowPlacer::place_unary(const Node& node, Fn&& fill) {
  const std::size_t program = program_of(node.input(0));
  const RowView x = view(node.input(0), program);
  writer_.write(program, fill(x, place_value(node.output(0), program)));
}

void RowPlacer::place(const Node& node) {
  if (is_deferred(node)) return;
  if (node.is("Linear", kSesame)) return place_linear(node, node, kNoValue);
  if (node.is("QuantizedLinear", kSesame)) return place_quantized_linear(node);
  if (node.is("LayerNormalization") || node.is("LayerNormalizationSteps", kSesame)) return place_norm(node);
  if (node.is("Split")) return place_split(node);
  if (node.is("Slice")) return place_columns(node.output(0), node.input(0), *rows_.slice_begin(node));
  if (node.is("Concat")) return place_concat(node);
  if (node.is("QLinearAdd", kMicrosoft) || node.is("QLinearMul", kMicrosoft)) return place_bytes(node);
  if (node.is("DynamicQuantizeLinear")) return place_dynamic_quantize(node);
  if (node.is("Pow")) return place_power(node);
  if (node.is("Sub")) return place_pair(node, Combination::subtract);
  if (node.is("Mul")) return place_pair(node, Combination::multiply);
  if (node.is("Div")) return place_pair(node, Combination::divide);
  if (node.is("Reciprocal")) {
    return place_unary(node, [&](RowView x, RowView out) {
      return CombineRows{Combination::divide, {{}, Tensor::scalar<float>(1)}, {x, {}}, out};
    });
  }
  if (is_activation(node)) {
    const Node* linear = deferred(node.input(0));
    if (linear != nullptr) return place_linear(*linear, node, kNoValue);
    return place_unary(node, [&](RowView x, RowView out) { return ActivateRows{activation_of(node), x, out}; });
  }
  if (engine::is_quantize(node)) {
    const ByteGrid grid = constant_grid(node, 1, 2, node.output(0));
    return place_unary(node, [&](RowView x, RowView out) { return QuantizeRows{grid, x, out}; });
  }
  if (engine::is_dequantize(node)) {
    const ByteGrid grid = constant_grid(node, 1, 2, node.input(0));
    return place_unary(node, [&](RowView x, RowView out) { return DequantizeRows{grid, x, out}; });
  }
  if (node.is("Erf") || node.is("Sigmoid") || node.is("Sqrt") || node.is("ReduceMean")) {
    const RowFunction function = node.is("Erf")       ? RowFunction::erf
                                 : node.is("Sigmoid") ? RowFunction::sigmoid
                                 : node.is("Sqrt")    ? RowFunction::sqrt
                                                      : RowFunction::mean;
    return place_unary(node, [&](RowView x, RowView out) { return FunctionRows{function, x, out}; });
  }
  for (std::size_t i : {1u, 0u}) {
    const Node* linear = deferred(node.input(i));
    if (linear != nullptr) return place_linear(*linear, node, node.input(1 - i));
  }
  place_pair(node, Combination::add);
}

void RowPlacer::place_linear(const Node& node, const Node& last, ValueId residual) {
  LinearRows op;
  const std::size_t program = std::max(program_of(node.input(0)), program_of(residual));
  op.x = view(node.input(0), program);
  if (is_activation(last)) op.activation = activation_of(last);
  op.adds_residual = residual != kNoValue;
  if (op.adds_residual) op.residual = view(residual, program);
  op.out = place_value(last.output(0), program);
  writer_.write_linear(program, std::move(op), engine::linear_weights(m_.graph(), node), engine::linear_scheme(node));
}

void RowPlacer::place_quantized_linear(const Node& node) {
  std::shared_ptr<const engine::QuantizedLinear>& linear =
      linears_[{{node.inputs.begin() + 3, node.inputs.end()},
                {node.attributes.integer("transposed", 0) != 0, node.attributes.real("alpha", 1)}}];
  if (!linear) linear = std::make_shared<engine::QuantizedLinear>(engine::quantized_linear_parts(m_.graph(), node));
  ByteGrid grid;
  if (const Node* dynamic = rows_.dynamic_grid(node.input(1))) {
    grid.slot = slot_.at(dynamic->output(1));
  } else {
    grid = constant_grid(node, 1, 2, node.input(0));
  }
  place_unary(node, [&](RowView x, RowView out) { return ByteLinearRows{linear, grid, x, out}; });
}

ByteGrid RowPlacer::constant_grid(const Node& node, std::size_t scale, std::size_t zero, ValueId bytes) const {
  return {engine::scale_at(m_.graph().constant(node.input(scale)), 0),
          engine::byte_range(probe_.type(bytes), m_.graph().constant(node.input(zero))),
          {}};
}

void RowPlacer::place_norm(const Node& node) {
  LayerNorm norm{m_.graph().constant(node.input(1)), m_.graph().constant(node.input(2)),
                 node.attributes.real("epsilon", 1e-5f)};
  const bool by_steps = node.domain == kSesame;
  place_unary(node, [&](RowView x, RowView out) { return NormRows{std::move(norm), by_steps, x, out}; });
}

void RowPlacer::place_split(const Node& node) {
  std::size_t begin = 0;
  for (ValueId id : node.outputs) {
    place_columns(id, node.input(0), begin);
    begin += rows_.width(id);
  }
}

void RowPlacer::place_columns(ValueId id, ValueId of, std::size_t begin) {
  const std::size_t program = program_of(of);
  RowView columns = view(of, program);
  columns.column += begin;
  columns.width = rows_.width(id);
  placed_[id] = {columns, program};
}

void RowPlacer::place_concat(const Node& node) {
  const std::size_t program = program_of(node.inputs);
  RowView out = place_value(node.output(0), program);
  for (ValueId id : node.inputs) {
    out.width = rows_.width(id);
    writer_.write(program, CopyRows{view(id, program), out});
    out.column += out.width;
  }
}

// x * x, or (x * x) * x.
void RowPlacer::place_power(const Node& node) {
  const std::size_t program = program_of(node.input(0));
  const RowOperand x = operand(node.input(0), program);
  const bool cube = m_.is_scalar(node.input(1), 3);
  const RowView square = cube ? writer_.new_rows(x.view.width) : place_value(node.output(0), program);
  writer_.write(program, CombineRows{Combination::multiply, x, x, square});
  if (!cube) return;
  writer_.write(program, CombineRows{Combination::multiply, {square, {}}, x, place_value(node.output(0), program)});
}

void RowPlacer::place_pair(const Node& node, Combination how) {
  const std::vector<ValueId> operands = {node.input(0), node.input(1)};
  const std::size_t program = program_of(operands);
  const RowOperand x = operand(operands[0], program), y = operand(operands[1], program);
  writer_.write(program, CombineRows{how, x, y, place_value(node.output(0), program)});
}

// One byte for all features becomes a row of them.
Tensor RowPlacer::spread(const Tensor& bytes, std::size_t width) {
  const Tensor row = Tensor::allocate(bytes.type(), {static_cast<std::int64_t>(width)});
  const auto* from = static_cast<const std::uint8_t*>(bytes.raw());
  for (std::size_t n = 0; n < width; ++n) static_cast<std::uint8_t*>(row.raw())[n] = from[bytes.size() == 1 ? 0 : n];
  return row;
}

void RowPlacer::place_bytes(const Node& node) {
  const std::vector<ValueId> operands = {node.input(0), node.input(3)};
  const std::size_t program = program_of(operands);
  const bool is_signed = probe_.type(node.output(0)) == DType::i8;
  const std::size_t width = rows_.width(node.output(0));
  const auto bytes = [&](ValueId id) {
    const RowOperand x = operand(id, program);
    if (x.is_constant()) return RowOperand{{}, spread(x.constant, width)};
    if (x.view.width == width) return x;
    const RowView all = writer_.new_rows(width, true);
    writer_.write(program, SpreadRows{x.view, all});
    return RowOperand{all, {}};
  };
  const RowOperand x = bytes(operands[0]), y = bytes(operands[1]);
  const RowView out = place_value(node.output(0), program);
  if (node.is("QLinearMul", kMicrosoft)) {
    writer_.write(program, MultiplyByteRows{engine::byte_product(m_.graph(), node, is_signed), x, y, out});
  } else {
    writer_.write(program, AddByteRows{engine::byte_sum(m_.graph(), node, is_signed), x, y, out});
  }
}

// The grid is known when a program has seen all rows: the next one quantizes.
void RowPlacer::place_dynamic_quantize(const Node& node) {
  const std::size_t program = program_of(node.input(0)), slot = slot_.size();
  slot_[node.output(1)] = slot;
  const RowView x = view(node.input(0), program);
  writer_.write(program, RangeRows{slot, x});
  ByteGrid grid;
  grid.slot = slot;
  const RowView from = view(node.input(0), program + 1);
  writer_.write(program + 1, QuantizeRows{grid, from, place_value(node.output(0), program + 1)});
}

}  // namespace sesame::models
