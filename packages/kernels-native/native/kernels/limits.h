// The machine's limits, to be printed beside what a kernel reaches: operations of the instruction mix of a product
// with everything in registers, and a plain read loop. A multiplication and an addition are two operations.
#pragma once

#include "../arguments.h"

namespace {

/// Independent chains: enough to hide the latency of the slowest instruction, few enough to stay in registers.
constexpr int kChains = 6;
/// Fewer for integers, whose chains are one addition long and need registers for the products.
constexpr int kIntegerChains = 4;

template <class V>
double peakFloat32(int64_t iterations) {
  typename V::F a = V::set(1.0f), b = V::set(0x1p-24f), sums[kChains];
  V::keep(a);
  V::keep(b);
  unrolled<kChains>([&](auto c) BITLOOM_INLINE { sums[c.value] = V::set(0.0f); });
  for (int64_t i = 0; i < iterations; i++) {
    unrolled<kChains>([&](auto c) BITLOOM_INLINE { sums[c.value] = V::fma(a, b, sums[c.value]); });
  }
  unrolled<kChains>([&](auto c) BITLOOM_INLINE { V::keep(sums[c.value]); });
  return static_cast<double>(iterations) * kChains * 16 * 2;
}

/// `mix(sum, a, b)` adds the products of `products` pairs of numbers.
template <class V, class Mix>
double peakInteger(int64_t iterations, int products, Mix mix) {
  typename V::I a = V::setI(0x01010101), b = V::setI(0x02020202), sums[kIntegerChains];
  V::keep(b);
  unrolled<kIntegerChains>([&](auto c) BITLOOM_INLINE { sums[c.value] = V::setI(0); });
  for (int64_t i = 0; i < iterations; i++) {
    unrolled<kIntegerChains>([&](auto c) BITLOOM_INLINE {
      // Products of the same operands would be computed once.
      V::keep(a);
      sums[c.value] = mix(sums[c.value], a, b);
    });
  }
  unrolled<kIntegerChains>([&](auto c) BITLOOM_INLINE { V::keep(sums[c.value]); });
  return static_cast<double>(iterations) * kIntegerChains * products * 2;
}

/// Runs the mix of `kind` (see PeakKind) and returns the operations done.
template <class V>
double peakOperations(int kind, int64_t iterations) {
  using I = typename V::I;
  switch (kind) {
    case kPeakFloat32:
      return peakFloat32<V>(iterations);
    case kPeakInt16:
      return peakInteger<V>(iterations, 32, [](I s, I a, I b) BITLOOM_INLINE { return V::dot2(s, V::wordsOf(a), V::wordsOf(b)); });
    case kPeakInt4:
      return peakInteger<V>(iterations, 64, [](I s, I a, I b) BITLOOM_INLINE { return V::narrowMix(s, V::bytesOf(a), V::bytesOf(b)); });
    default:
      return peakInteger<V>(iterations, 64, [](I s, I a, I b) BITLOOM_INLINE { return V::dot4Mix(s, V::bytesOf(a), V::bytesOf(b)); });
  }
}

/// Reads `bytes` (a multiple of 512) bytes from p, four streams of vectors; the result only keeps the loads alive.
template <class V>
int32_t readAll(const uint8_t* p, int64_t bytes) {
  typename V::I sums[4];
  unrolled<4>([&](auto j) BITLOOM_INLINE { sums[j.value] = V::setI(0); });
  for (int64_t i = 0; i + 256 <= bytes; i += 256) {
    __builtin_prefetch(p + i + 2048);
    __builtin_prefetch(p + i + 2112);
    __builtin_prefetch(p + i + 2176);
    __builtin_prefetch(p + i + 2240);
    unrolled<4>([&](auto j) BITLOOM_INLINE {
      sums[j.value] = V::xorI(sums[j.value], V::loadBytes(p + i + 64 * j.value));
    });
  }
  return V::sumI(V::addI(V::addI(sums[0], sums[1]), V::addI(sums[2], sums[3])));
}

}  // namespace
