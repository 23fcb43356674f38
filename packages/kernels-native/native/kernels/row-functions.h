// What several kernels do with one row of float32: exp and its kin, the reductions sum16 and maximum, quantisation.
// Each step is one float32 operation in the order of packages/kernels/src/reference/float.ts, which says why; -0,
// NaN and the edges of the range included.
#pragma once

#include "../arguments.h"

namespace {

/// e^x of each lane; the constants are those of EXP in the reference.
template <class V>
typename V::F expOf(typename V::F x) {
  using F = typename V::F;
  // minimum(a, b) is b where a lane of either is NaN: a NaN in x stays.
  const F clamped = V::minimum(V::set(88.72f), x);
  const typename V::I n = V::roundToInt(V::mul(clamped, V::set(1.4426950408889634f)));
  const F steps = V::toFloat(n);
  F r = V::sub(clamped, V::mul(steps, V::set(0.693359375f)));
  r = V::sub(r, V::mul(steps, V::set(-2.1219444e-4f)));
  F p = V::set(0.0013814320554956794f);
  p = V::add(V::mul(p, r), V::set(0.00836885068565607f));
  p = V::add(V::mul(p, r), V::set(0.041668400168418884f));
  p = V::add(V::mul(p, r), V::set(0.1666651964187622f));
  p = V::add(V::mul(p, r), V::set(0.4999999403953552f));
  p = V::add(V::mul(p, r), V::set(1.0f));
  p = V::add(V::mul(p, r), V::set(1.0f));
  return V::zeroWhereLess(V::scaleByPowerOfTwo(p, n), x, V::set(-87.33f));
}

/// x / (1 + exp(−u)).
template <class V>
typename V::F gate(typename V::F x, typename V::F u) {
  return V::div(x, V::add(V::set(1.0f), expOf<V>(V::negate(u))));
}

template <class V>
typename V::F siluOf(typename V::F x) {
  return gate<V>(x, x);
}

/// The constants are those of GELU in the reference.
template <class V>
typename V::F geluOf(typename V::F x) {
  const typename V::F cubic = V::add(V::mul(V::mul(x, x), V::set(0.07135481282052353f)), V::set(1.5957691216057308f));
  return gate<V>(x, V::mul(x, cubic));
}

/// Calls whole(i) for each 16 elements of 0..count−1 and part(i, left) for the rest.
template <class Whole, class Part>
inline void walk(int64_t count, Whole whole, Part part) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) whole(i);
  if (i < count) part(i, count - i);
}

/// 16 elements from p, or `left` of them and zeros.
template <class V>
typename V::F loadSome(const float* p, int64_t left) {
  return left >= 16 ? V::load(p) : V::loadPart(p, left);
}

template <class V>
void storeSome(float* p, typename V::F v, int64_t left) {
  if (left >= 16) V::store(p, v);
  else V::storePart(p, v, left);
}

/// sum16 of f(i, left), which gives zeros past the end: adding +0 to a partial sum that began at +0 changes nothing.
template <class V, class Function>
float sumOf(int64_t count, Function f) {
  typename V::F sum = V::set(0.0f);
  for (int64_t i = 0; i < count; i += 16) sum = V::add(sum, f(i, count - i));
  return V::treeSum(sum);
}

/// Scale of a row of int8 codes and the factor that makes codes from values.
struct RowScale {
  float scale, inverse;
};

inline RowScale rowScale(float amax) {
  const float inverse = 127.0f / amax;
  // amax is not NaN and not negative; 127/amax is infinite for 0 and the smallest subnormals.
  return inverse <= 3.4028234663852886e38f ? RowScale{amax / 127.0f, inverse} : RowScale{0.0f, 0.0f};
}

/// max(0, |x|) by `>`, over a row.
template <class V>
float largestMagnitude(const float* from, int64_t count) {
  typename V::F most = V::set(0.0f);
  // maximum(a, b) is b where a is NaN.
  for (int64_t i = 0; i < count; i += 16) most = V::maximum(V::abs(loadSome<V>(from + i, count - i)), most);
  return V::maxLane(most);
}

/// Codes of a row, then zeros up to `padded`.
template <class V>
void quantizeRow(const float* from, int64_t count, float inverse, int8_t* to, int64_t padded) {
  const typename V::F factor = V::set(inverse);
  const auto codes = [&](int64_t i, int64_t left) {
    const typename V::F value = V::zeroWhereNan(V::mul(loadSome<V>(from + i, left), factor));
    return V::roundToInt(V::maximum(V::minimum(value, V::set(127.0f)), V::set(-127.0f)));
  };
  walk(
      count, [&](int64_t i) { V::storeCodes(to + i, codes(i, 16)); },
      [&](int64_t i, int64_t left) {
        int8_t last[16];
        V::storeCodes(last, codes(i, left));
        memcpy(to + i, last, static_cast<size_t>(left));
      });
  if (padded > count) memset(to + count, 0, static_cast<size_t>(padded - count));
}

}  // namespace
