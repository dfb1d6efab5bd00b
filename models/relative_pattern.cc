#include "models/relative_pattern.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/operators/quantization.h"
#include "engine/quantized_node.h"

namespace sesame::models {

using engine::DType;
using engine::kNoValue;
using engine::Matcher;
using engine::Node;
using engine::ProbedShape;
using engine::Shape;
using engine::ShapeProbe;
using engine::Tensor;
using engine::ValueId;

namespace {

// Lengths at which indices and biases are evaluated, until they level off: DeBERTa's do at 512, T5's at 128.
constexpr std::array<std::int64_t, 4> kLengths = {64, 256, 1024, 2048};
// One more, at which the same must come out.
constexpr std::int64_t kCheckedLength = 16;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// [leading][rows][columns] of a tensor whose other axes are ones.
struct Matrices {
  std::int64_t leading = 0, rows = 0, columns = 0;
};

std::optional<Matrices> as_matrices(const Tensor& t) {
  if (!t || t.rank() < 2) return std::nullopt;
  Matrices m{1, t.dim(t.rank() - 2), t.dim(t.rank() - 1)};
  for (std::size_t i = 0; i + 2 < t.rank(); ++i) m.leading *= t.dim(i);
  return m;
}

bool same_plane(const ProbedShape& a, const ProbedShape& b) {
  return a.size() >= 2 && b.size() >= 2 && a.back() == b.back() && a[a.size() - 2] == b[b.size() - 2];
}

// Sees through what repeats planes or lays them out again.
ValueId plane_source(const Matcher& m, const ShapeProbe& probe, ValueId id) {
  while (const Node* node = m.uses().producer(id)) {
    const bool relays = node->is("Expand") || node->is("Unsqueeze") || node->is("Squeeze") || node->is("Reshape");
    const auto& to = probe.shape(id);
    const auto& from = probe.shape(node->input(0));
    if (!relays || !to || !from || !same_plane(*from, *to)) break;
    id = node->input(0);
  }
  return id;
}

// The last two axes in each other's place.
bool swaps_plane(const Node& transpose) {
  const auto perm = transpose.attributes.maybe_integers("perm");
  return perm && (*perm == std::vector<std::int64_t>{0, 2, 1} || *perm == std::vector<std::int64_t>{0, 1, 3, 2});
}

// [leading][columns][rows]
Tensor transposed(const Tensor& t, const Matrices& m) {
  Tensor out = Tensor::allocate(DType::f32, {m.leading, m.columns, m.rows});
  for (std::int64_t i = 0; i < m.leading; ++i) {
    const float* from = t.data<float>() + i * m.rows * m.columns;
    float* to = out.data<float>() + i * m.rows * m.columns;
    for (std::int64_t r = 0; r < m.rows; ++r) {
      for (std::int64_t c = 0; c < m.columns; ++c) to[c * m.rows + r] = from[r * m.columns + c];
    }
  }
  return out;
}

// Whether planes of two batches are those of one, twice, or once for all.
bool repeats(const Tensor& one, const Tensor& two) {
  if (!one || !two || one.type() != two.type() || one.bytes() == 0) return false;
  const auto* first = static_cast<const char*>(one.raw());
  const auto* second = static_cast<const char*>(two.raw());
  if (two.bytes() != one.bytes() && two.bytes() != 2 * one.bytes()) return false;
  for (std::size_t begin = 0; begin < two.bytes(); begin += one.bytes()) {
    if (!std::equal(first, first + one.bytes(), second + begin)) return false;
  }
  return true;
}

}  // namespace

bool RelativeMatch::match(ValueId addend, double scale) {
  const ValueId id = through_scale(m_, probe_, addend, scale);
  const Node* node = m_.uses().producer(id);
  if (match_bias(id, scale)) return true;
  if (node == nullptr) return false;
  return node->is("Einsum") ? match_einsum(*node, scale) : match_gathered(id, scale);
}

bool RelativeMatch::match_bias(ValueId id, double scale) {
  const auto& shape = probe_.shape(id);
  const bool plane =
      shape && shape->size() >= 2 && shape->back() == (*shape)[shape->size() - 2] && !shape->back().is(1);
  if (!plane || probe_.type(id) != DType::f32 || !probe_.follows_from_shapes(id)) return false;
  biases_.push_back({.at = id, .index = plane_source(m_, probe_, id), .scale = scale});
  return true;
}

// GatherElements(MatMul(rows, table), index), or that transposed.
bool RelativeMatch::match_gathered(ValueId id, double scale) {
  Term term{.at = id};
  const Node* node = m_.uses().producer(id);
  if (node->is("Transpose") && swaps_plane(*node)) {
    term.by_key = term.transposed = true;
    node = m_.uses().producer(through_scale(m_, probe_, node->input(0), scale));
  }
  if (node == nullptr || !node->is("GatherElements")) return false;
  const auto rank = static_cast<std::int64_t>(probe_.rank(node->output(0)));
  const std::int64_t axis = node->attributes.integer("axis", 0);
  if (rank < 3 || (axis != -1 && axis != rank - 1) || !probe_.follows_from_shapes(node->input(1))) return false;
  const Node* product = m_.made_by(through_scale(m_, probe_, node->input(0), scale), "MatMul");
  if (product == nullptr) return false;
  term.rows = product->input(0);
  term.table = product->input(1);
  term.index = plane_source(m_, probe_, node->input(1));
  term.product = true;
  term.scale = scale;
  terms_.push_back(term);
  return true;
}

// bhld,lrd->bhlr of queries, or bhrd,lrd->bhlr of keys, with the rows of a table gathered by an index.
bool RelativeMatch::match_einsum(const Node& einsum, double scale) {
  std::string text = einsum.attributes.text("equation", "");
  std::erase(text, ' ');
  const std::string_view e = text;
  if (einsum.inputs.size() != 2) return false;
  const Node* dequantize = m_.uses().producer(einsum.input(1));
  if (dequantize != nullptr && !engine::is_per_tensor_dequantize(m_.graph(), *dequantize)) dequantize = nullptr;
  const Node* gather = m_.made_by(dequantize != nullptr ? dequantize->input(0) : einsum.input(1), "Gather");
  if (e.size() != 14 || e[4] != ',' || e.substr(8, 2) != "->" || gather == nullptr) return false;
  const std::string_view rows = e.substr(0, 4), places = e.substr(5, 3), scores = e.substr(10, 4);
  const char query = scores[2], key = scores[3];
  const bool same_heads = rows.substr(0, 2) == scores.substr(0, 2) && rows[3] == places[2];
  const bool distinct = query != key && rows[3] != query && rows[3] != key && rows[0] != rows[1] &&
                        rows.substr(0, 2).find_first_of(std::string{query, key, rows[3]}) == std::string_view::npos;
  const bool in_order = places[0] == query && places[1] == key, reversed = places[0] == key && places[1] == query;
  if (!same_heads || !distinct || !(in_order || reversed) || !(rows[2] == query || rows[2] == key)) return false;
  if (gather->attributes.integer("axis", 0) != 0) return false;
  Term term{.at = einsum.output(0)};
  term.rows = einsum.input(0);
  term.table = gather->input(0);
  term.dequantize = dequantize;
  term.index = gather->input(1);
  term.by_key = rows[2] == key;
  term.transposed = reversed;
  term.scale = scale;
  terms_.push_back(term);
  return true;
}

namespace {

const char* const kIndex = "an index of relative positions that depends on their distance alone";

std::optional<ByDistance<std::int64_t>> evaluate_index(const ShapeProbe& probe, ValueId id, bool is_transposed,
                                                       std::int64_t length) {
  const Tensor t = probe.value_at(id, 1, length);
  const auto m = as_matrices(t);
  const bool integer = t && (t.type() == DType::i64 || t.type() == DType::i32);
  if (!integer || !m || m->leading != 1 || m->rows != m->columns || m->rows == 0) return std::nullopt;
  auto f = by_distance(engine::to_int64s(t).data(), m->rows);
  if (f && is_transposed) std::reverse(f->of.begin(), f->of.end());
  return f;
}

// A product's right operand, [.., head_dim, rows], as rows.
Tensor evaluate_table(const ShapeProbe& probe, ValueId id, std::size_t heads, std::size_t head_dim,
                      std::int64_t length) {
  const Tensor t = probe.value_at(id, 1, length);
  const auto m = as_matrices(t);
  const bool fits = m && t.type() == DType::f32 && size(m->rows) == head_dim && m->columns > 0 &&
                    (m->leading == 1 || size(m->leading) == heads);
  return fits && repeats(t, probe.value_at(id, 2, length)) ? transposed(t, *m) : Tensor();
}

// A constant table of floats, or of bytes that are dequantized when they were gathered.
Tensor gathered_table(const engine::Graph& graph, const Tensor& table, const Node* dequantize) {
  if (!table || dequantize == nullptr) return table;
  if (table.type() != DType::u8 && table.type() != DType::i8) return {};
  const float scale = engine::scale_at(graph.constant(dequantize->input(1)), 0);
  const std::int32_t zero = engine::zero_point_at(graph.constant(dequantize->input(2)), 0);
  Tensor floats = Tensor::allocate(DType::f32, table.shape());
  for (std::int64_t i = 0; i < table.size(); ++i) {
    const bool is_signed = table.type() == DType::i8;
    const std::int32_t q = is_signed ? table.data<std::int8_t>()[i] : table.data<std::uint8_t>()[i];
    floats.data<float>()[i] = static_cast<float>(q - zero) * scale;
  }
  return floats;
}

// Makes negative rows count from the end, and cuts the function down to the distances whose rows the table has.
void limit_to_rows(ByDistance<std::int64_t>& f, std::int64_t rows) {
  const auto has = [&](std::ptrdiff_t d) { return at(f, d) >= -rows && at(f, d) < rows; };
  std::ptrdiff_t reach = 0;
  while (reach < f.reach() && has(reach + 1) && has(-reach - 1)) ++reach;
  reduce(f, reach);
  for (std::int64_t& row : f.of) row += row < 0 ? rows : 0;
}

bool same_rows(const EvaluatedTerm& a, const EvaluatedTerm& b) {
  if (a.table.dim(0) != b.table.dim(0) || a.table.dim(2) != b.table.dim(2)) return false;
  const std::int64_t width = a.table.dim(2);
  const std::ptrdiff_t reach = std::min(a.row.reach(), b.row.reach());
  for (std::ptrdiff_t d = -reach; d <= reach; ++d) {
    for (std::int64_t h = 0; h < a.table.dim(0); ++h) {
      const float* x = a.table.data<float>() + (h * a.table.dim(1) + at(a.row, d)) * width;
      const float* y = b.table.data<float>() + (h * b.table.dim(1) + at(b.row, d)) * width;
      if (!std::equal(x, x + width, y)) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<EvaluatedTerm> RelativeMatch::evaluate(const Term& term, std::size_t heads, std::size_t head_dim,
                                                     std::int64_t length, Mismatch& why) const {
  auto f = evaluate_index(probe_, term.index, term.transposed, length);
  if (!f) why = {term.index, kIndex};
  if (!f) return std::nullopt;
  EvaluatedTerm e;
  e.row = std::move(*f);
  if (term.product) {
    e.table = evaluate_table(probe_, term.table, heads, head_dim, length);
  } else {
    const Tensor t = gathered_table(m_.graph(), m_.graph().constant(term.table), term.dequantize);
    const bool fits = t && t.type() == DType::f32 && t.rank() == 2 && size(t.dim(1)) == head_dim && t.dim(0) > 0;
    if (fits) e.table = t.reshaped({1, t.dim(0), t.dim(1)});
  }
  if (!e.table) why = {term.table, "a table of relative positions that does not depend on the input"};
  if (!e.table) return std::nullopt;
  limit_to_rows(e.row, e.table.dim(1));
  return e;
}

std::optional<RelativeProduct> RelativeMatch::product_of(const Term& term, ValueId dense, std::size_t heads,
                                                         std::size_t head_dim, Mismatch& why) const {
  double scale = term.scale;
  const auto split = match_split_heads(m_, probe_, term.rows, scale, why);
  if (!split) return std::nullopt;
  const bool same = split->dense == dense && split->perm == kHeadsFirst && size(split->heads) == heads &&
                    size(split->head_dim) == head_dim;
  if (!same) {
    why = {term.rows, "the attention's own queries or keys, as heads"};
    return std::nullopt;
  }
  for (std::int64_t length : kLengths) {
    auto e = evaluate(term, heads, head_dim, length, why);
    if (!e) return std::nullopt;
    const bool limited = e->row.reach() + 1 < length;  // by the table, or by a length that the graph fixes
    if (!limited && !level_off(e->row)) continue;
    const auto checked = evaluate(term, heads, head_dim, kCheckedLength, why);
    if (!checked || !same_rows(*e, *checked)) {
      why = {term.index, kIndex};
      return std::nullopt;
    }
    return RelativeProduct{e->table, std::move(e->row), static_cast<float>(scale)};
  }
  why = {term.index, "an index of relative positions that levels off, or ends"};
  return std::nullopt;
}

std::optional<std::vector<ByDistance<float>>> RelativeMatch::bias_of(std::size_t heads, Mismatch& why) const {
  if (biases_.empty()) return std::vector<ByDistance<float>>{};
  const Term& term = biases_[0];
  why = {term.at, "one bias of relative positions, which depends on their distance alone and levels off, or ends"};
  if (biases_.size() > 1) return std::nullopt;
  for (std::int64_t length : kLengths) {
    const Tensor t = probe_.value_at(term.index, 1, length);
    const auto m = as_matrices(t);
    const bool fits = m && t.type() == DType::f32 && m->rows == m->columns && m->rows > 0 &&
                      (m->leading == 1 || size(m->leading) == heads);
    if (!fits) return std::nullopt;
    std::vector<ByDistance<float>> bias;
    bool level = true;
    for (std::size_t h = 0; h < heads; ++h) {
      const std::int64_t plane = m->leading == 1 ? 0 : static_cast<std::int64_t>(h) * m->rows * m->rows;
      auto f = by_distance(t.data<float>() + plane, m->rows);
      if (!f) return std::nullopt;
      for (float& b : f->of) b *= static_cast<float>(term.scale);
      bias.push_back(std::move(*f));
    }
    if (m->rows < length) return bias;  // by a length that the graph fixes
    for (ByDistance<float>& f : bias) level &= level_off(f);
    if (level) return bias;
  }
  return std::nullopt;
}

std::optional<RelativePattern> RelativeMatch::finish(ValueId query, ValueId key, std::size_t heads,
                                                     std::size_t head_dim, Mismatch& why) const {
  RelativePattern pattern;
  for (const Term& term : terms_) {
    std::optional<RelativeProduct>& product = term.by_key ? pattern.key : pattern.query;
    if (product) {
      why = {term.at, "one such term of relative positions"};
      return std::nullopt;
    }
    product = product_of(term, term.by_key ? key : query, heads, head_dim, why);
    if (!product) return std::nullopt;
  }
  auto bias = bias_of(heads, why);
  if (!bias) return std::nullopt;
  pattern.bias = std::move(*bias);
  return pattern;
}

namespace {

// How far the terms together reach: as far as the first that ends, or as far as one still changes.
struct Reach {
  std::ptrdiff_t reach = 0;
  bool levels_off = true;

  template <class T>
  void join(const ByDistance<T>& f) {
    if (f.levels_off && levels_off) reach = std::max(reach, f.reach());
    if (!f.levels_off) reach = levels_off ? f.reach() : std::min(reach, f.reach());
    levels_off &= f.levels_off;
  }
};

std::shared_ptr<const RelativePlaces> make_places(const RelativePattern& pattern, const Reach& reach) {
  auto places = std::make_shared<RelativePlaces>();
  places->levels_off = reach.levels_off;
  std::int32_t place = 0;
  for (std::ptrdiff_t d = -reach.reach; d <= reach.reach; ++d) {
    const auto changes = [&](const std::optional<RelativeProduct>& p) {
      return p && d > -reach.reach && at(p->row, d) != at(p->row, d - 1);
    };
    place += changes(pattern.query) || changes(pattern.key);
    places->place.push_back(place);
  }
  return places;
}

// The table's rows in the order of their places, scaled, for one head.
Tensor rows_of_places(const RelativeProduct& product, const RelativePlaces& places, std::int64_t head) {
  const std::int64_t width = product.table.dim(2);
  Tensor rows = Tensor::allocate(DType::f32, {static_cast<std::int64_t>(places.count()), width});
  for (std::ptrdiff_t d = -places.reach(); d <= places.reach(); ++d) {
    const float* from = product.table.data<float>() + (head * product.table.dim(1) + at(product.row, d)) * width;
    float* to = rows.data<float>() + static_cast<std::int64_t>(places.at(d)) * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] = from[i] * product.scale;
  }
  return rows;
}

std::vector<engine::Linear> pack_tables(const std::optional<RelativeProduct>& product, const RelativePlaces& places,
                                        engine::LinearPrecision precision) {
  std::vector<engine::Linear> tables;
  for (std::int64_t head = 0; product && head < product->table.dim(0); ++head) {
    tables.emplace_back(engine::LinearWeights{rows_of_places(*product, places, head), Tensor(), true}, precision);
  }
  return tables;
}

}  // namespace

RelativeAttention make_relative_attention(const RelativePattern& pattern, std::size_t heads,
                                          engine::LinearPrecision precision,
                                          const std::shared_ptr<const RelativePlaces>& known) {
  RelativeAttention relative;
  if (!pattern) return relative;
  Reach reach;
  if (pattern.query) reach.join(pattern.query->row);
  if (pattern.key) reach.join(pattern.key->row);
  for (const ByDistance<float>& f : pattern.bias) reach.join(f);
  relative.places = make_places(pattern, reach);
  if (known && known->place == relative.places->place && known->levels_off == relative.places->levels_off) {
    relative.places = known;
  }
  relative.query = pack_tables(pattern.query, *relative.places, precision);
  relative.key = pack_tables(pattern.key, *relative.places, precision);
  if (!pattern.bias.empty()) {
    const auto distances = static_cast<std::int64_t>(relative.places->place.size());
    relative.bias = Tensor::allocate(DType::f32, {static_cast<std::int64_t>(heads), distances});
    float* bias = relative.bias.data<float>();
    for (const ByDistance<float>& f : pattern.bias) {
      for (std::ptrdiff_t d = -reach.reach; d <= reach.reach; ++d) *bias++ = at(f, d);
    }
  }
  return relative;
}

}  // namespace sesame::models
