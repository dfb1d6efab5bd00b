// lanes_probe.h for one level; lanes_probe_<level>.cc includes this.
#pragma once

#include "kernels/math_lanes.h"
#include "tests/kernels/lanes_probe.h"

namespace sesame::kernels::SESAME_LEVEL {
namespace {

Ints load_ints(const std::int32_t* p) { return bits(load(reinterpret_cast<const float*>(p))); }
void store_ints(std::int32_t* p, Ints i) { store(reinterpret_cast<float*>(p), from_bits(i)); }

void run(const float* pa, const float* pb, const float* pc, const std::int32_t* pi, const std::int32_t* pj,
         LaneResults* r) {
  const Lanes a = load(pa), b = load(pb), c = load(pc);
  const Ints i = load_ints(pi), j = load_ints(pj);
  store(r->add, a + b);
  store(r->subtract, a - b);
  store(r->multiply, a * b);
  store(r->divide, a / b);
  store(r->fma, fma(a, b, c));
  store(r->sqrt, sqrt(a));
  store(r->min, min(a, b));
  store(r->max, max(a, b));
  store(r->abs, abs(a));
  store(r->min_abs, select(is_nan(a), zero(), min_abs(a, splat(1.5f))));
  store(r->copysign, copysign(a, b));
  store(r->a_less_b, select(less(a, b), splat(1.0f), zero()));
  store(r->nan, select(is_nan(a), splat(1.0f), zero()));
  store(r->round, round_half_even(a));
  store(r->from_nearest, from_nearest(max(splat(-3e38f), min(splat(3e38f), a))) + zero());
  store(r->to_float, to_float(i));
  store(r->from_bits, from_bits(i));
  store(r->lookup, lookup16(pb, i));
  store(r->gather, gather(pb, i & splat(7)));
  store(r->splat, splat(pa[3]));
  store_ints(r->to_int, to_int(a));
  store_ints(r->bits, bits(a));
  store_ints(r->add_int, i + j);
  store_ints(r->and_int, i & j);
  store_ints(r->max_int, max(i, j));
  Ints rows[16];
  for (std::int32_t l = 0; l < 16; ++l)
    rows[l] = i + splat(static_cast<std::int32_t>(static_cast<std::uint32_t>(l) * 0x10000001u)) * j;
  store_ints(r->max_of_each, max_of_each(rows));
  store_ints(r->shift_23, shift_left<23>(i));
  r->reduce_add = reduce_add(a);
  r->reduce_max = reduce_max(a);
  r->sqrt_one = sqrt(pa[0]);
  r->reduce_max_int = reduce_max(i);
}

void transposed(const float* const* row, std::size_t d, float* columns) {
  Lanes column[4];
  load_transposed(row, d, column);
  for (int i = 0; i < 4; ++i) store(columns + 16 * i, column[i]);
}

}  // namespace

LanesProbe lanes_probe() {
  LanesProbe probe;
  probe.run = run;
  probe.exp2_coarse = [](const float* x, std::size_t n, float* y) {
    for (std::size_t i = 0; i < n; i += kLanes) store(y + i, exp2_coarse(load(x + i)));
  };
  probe.load_part = [](const float* p, std::size_t n, float fill, float* lanes) { store(lanes, load(p, n, fill)); };
  probe.store_part = [](const float* lanes, std::size_t n, float* p) { store(p, load(lanes), n); };
  probe.first = [](const float* lanes, std::size_t n, float fill, float* result) {
    store(result, first(load(lanes), n, fill));
  };
  probe.load_transposed = transposed;
  probe.store_u8_64 = [](const std::int32_t* v, std::uint8_t* p) {
    store_u8(p, load_ints(v), load_ints(v + 16), load_ints(v + 32), load_ints(v + 48));
  };
  probe.store_plus_128_64 = [](const std::int32_t* v, std::uint8_t* p) {
    store_plus_128(p, load_ints(v), load_ints(v + 16), load_ints(v + 32), load_ints(v + 48));
  };
  probe.store_u8 = [](const std::int32_t* v, std::uint8_t* p) { store_u8(p, load_ints(v)); };
  probe.store_u8_part = [](const std::int32_t* v, std::size_t n, std::uint8_t* p) { store_u8(p, load_ints(v), n); };
  return probe;
}

}  // namespace sesame::kernels::SESAME_LEVEL
