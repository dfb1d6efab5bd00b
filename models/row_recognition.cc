#include "models/row_recognition.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "models/mask_pattern.h"
#include "models/row_compiler.h"
#include "models/row_encoder_step.h"

namespace sesame::models {

using engine::Graph;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ShapeProbe;
using engine::ValueId;

namespace {

// Attentions in the order of the graph, and the softmax of each.
struct Found {
  std::vector<AttentionPattern> attentions;
  std::vector<ValueId> softmaxes;
};

Found find_attentions(const Matcher& m, const ShapeProbe& probe, const std::set<ValueId>& wanted) {
  Found found;
  for (const Node& node : m.graph().nodes) {
    if (!wanted.contains(node.output(0))) continue;
    Mismatch ignored;
    const auto attention = match_attention(m, probe, node, ignored);
    if (!attention) continue;
    found.attentions.push_back(*attention);
    found.softmaxes.push_back(node.output(0));
  }
  return found;
}

// The step in place of the nodes that made its outputs, with nodes that it reads from.
void replace(Graph& graph, RowRegion region, const std::string& name, std::vector<Node> added) {
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.outputs) {
      if (std::find(region.outputs.begin(), region.outputs.end(), id) != region.outputs.end()) id = kNoValue;
    }
  }
  std::erase_if(graph.nodes, [](const Node& node) {
    return std::all_of(node.outputs.begin(), node.outputs.end(), [](ValueId id) { return id == kNoValue; });
  });
  Node node;
  node.op = "RowEncoder";
  node.domain = engine::kSesame;
  node.name = name;
  node.inputs = std::move(region.inputs);
  if (region.encoder.mask.kind == MaskKind::each_query) {
    engine::ValueId& mask = node.inputs[region.encoder.inputs.size()];
    mask = add_query_mask(graph, mask, region.mask, graph.nodes);
  }
  node.outputs = std::move(region.outputs);
  node.step = std::make_shared<RowEncoderStep>(std::move(region.encoder));
  graph.nodes.push_back(std::move(node));
  for (Node& each : added) graph.nodes.push_back(std::move(each));
  engine::sort_topologically(graph);
  engine::remove_dead_nodes(graph);
}

void report_region(const RowRegion& region, const ShapeProbe& probe, Recognition& report) {
  report.layers_recognised += static_cast<int>(region.encoder.attentions.size());
  for (std::string& line : region.encoder.describe()) report.structs.push_back(std::move(line));
  for (const RowProgram& program : region.encoder.programs) {
    for (const RowOp& op : program) {
      const auto* load = std::get_if<LoadRows>(&op);
      if (load != nullptr) limit_positions(probe, load->table, region.inputs[load->input], report);
    }
  }
}

// Says of an attention that was found, but in no encoder, what keeps it out.
void explain(const Matcher& m, ValueId softmax, const Mismatch& why, std::vector<LoneAttention>& alone) {
  for (LoneAttention& each : alone) {
    if (each.softmax == softmax) each.why = describe_mismatch(m, *m.uses().producer(softmax), why);
  }
}

// Replaces the first encoder around the wanted attentions, and takes them off the list. False when there is none.
bool recognise_one(Graph& graph, AttentionPrecision precision, std::set<ValueId>& wanted,
                   std::vector<LoneAttention>& alone, Recognition& report) {
  const Matcher m(graph);
  const ShapeProbe probe(graph);
  const Found found = find_attentions(m, probe, wanted);
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < found.attentions.size(); begin += std::max<std::size_t>(count, 1)) {
    const std::span<const AttentionPattern> left = std::span(found.attentions).subspan(begin);
    Mismatch why;
    count = count_together(m, probe, left, why);
    auto region = count == 0 ? std::nullopt : compile_rows(m, probe, left.first(count), precision, why);
    for (std::size_t i = begin; i < begin + std::max<std::size_t>(count, 1); ++i) wanted.erase(found.softmaxes[i]);
    if (!region) {
      explain(m, found.softmaxes[begin], why, alone);
      continue;
    }
    const auto first = found.softmaxes.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::set<ValueId> done(first, first + static_cast<std::ptrdiff_t>(count));
    std::erase_if(alone, [&](const LoneAttention& each) { return done.contains(each.softmax); });
    report_region(*region, probe, report);
    if (const Node* rest = unfinished_at(m, probe, *region)) {
      --report.layers_recognised;
      report.unfused.push_back(
          {rest->name, rest->op, "an operation on each row alone, up to the end of the layer", rest->op});
    }
    const std::string name = m.uses().producer(found.softmaxes[begin])->name;
    std::vector<Node> added;
    if (left[0].pair_mask)
      region->inputs[region->encoder.inputs.size()] = add_key_mask(graph, *left[0].pair_mask, added);
    replace(graph, std::move(*region), name, std::move(added));
    return true;
  }
  return false;
}

}  // namespace

void recognise_row_encoders(Graph& graph, AttentionPrecision precision, std::vector<LoneAttention>& alone,
                            Recognition& report) {
  std::set<ValueId> wanted;
  for (const LoneAttention& each : alone) wanted.insert(each.softmax);
  while (!wanted.empty() && recognise_one(graph, precision, wanted, alone, report)) {
  }
}

Unfused describe_mismatch(const Matcher& m, const Node& softmax, const Mismatch& why) {
  const Node* found = why.at == kNoValue ? nullptr : m.uses().producer(why.at);
  const bool named = found != nullptr && !found->name.empty();
  return {.node = named                ? found->name
                  : why.at == kNoValue ? softmax.name
                                       : m.graph().value(why.at).name,
          .op = found ? found->op : "",
          .expected = why.expected,
          .found = found ? found->op : "a graph input or constant"};
}

void limit_positions(const ShapeProbe& probe, const engine::RowTable& table, ValueId ids, Recognition& report) {
  if (!table || !probe.follows_from_shapes(ids)) return;
  const engine::Tensor& value = probe.value(ids);
  if (value.type() != engine::DType::i64 && value.type() != engine::DType::i32) return;
  const std::vector<std::int64_t> rows = engine::to_int64s(value);
  if (rows.size() < 2 || value.shape().back() < 2 || rows[0] < 0) return;
  const auto length = static_cast<std::size_t>(value.shape().back());
  for (std::size_t p = 1; p < length; ++p) {
    if (rows[p] != rows[p - 1] + 1) return;
  }
  const std::int64_t most = table.size() - rows[0];
  report.position_rows = std::min(report.position_rows.value_or(most), most);
}

}  // namespace sesame::models
