// The machine's limits, to be printed beside what a kernel reaches: operations of the instruction mix of a product
// with everything in registers, and a plain read loop. A multiplication and an addition are two operations.
#pragma once

#include "../common.h"

namespace {

/// Independent chains: enough to hide the latency of the slowest instruction, few enough to stay in registers.
constexpr int kChains = 6;

/// Runs the mix of `kind` (see PeakKind) and returns the operations done.
template <class V>
double peakOperations(int kind, int64_t iterations) {
  if (kind == kPeakFloat32) {
    typename V::F a = V::set(1.0f), b = V::set(0x1p-24f), sums[kChains];
    V::keep(a);
    V::keep(b);
    for (auto& sum : sums) sum = V::set(0.0f);
    for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 6
      for (auto& sum : sums) sum = V::fma(a, b, sum);
    }
    for (auto& sum : sums) V::keep(sum);
    return static_cast<double>(iterations) * kChains * 16 * 2;
  }
  typename V::I a = V::setI(0x01010101), b = V::setI(0x02020202), sums[kChains];
  V::keep(b);
  for (auto& sum : sums) sum = V::setI(0);
  for (int64_t i = 0; i < iterations; i++) {
#pragma GCC unroll 6
    for (auto& sum : sums) {
      // Products of the same operands would be computed once.
      V::keep(a);
      if (kind == kPeakInt16) sum = V::dot2(sum, V::wordsOf(a), V::wordsOf(b));
      else if (kind == kPeakInt4) sum = V::narrowMix(sum, V::bytesOf(a), V::bytesOf(b));
      else sum = V::dot4Mix(sum, V::bytesOf(a), V::bytesOf(b));
    }
  }
  for (auto& sum : sums) V::keep(sum);
  return static_cast<double>(iterations) * kChains * (kind == kPeakInt16 ? 32 : 64) * 2;
}

/// Reads `bytes` (a multiple of 512) bytes from p, four streams of vectors; the result only keeps the loads alive.
template <class V>
int32_t readAll(const uint8_t* p, int64_t bytes) {
  typename V::I sums[4];
  for (auto& sum : sums) sum = V::setI(0);
  for (int64_t i = 0; i + 256 <= bytes; i += 256) {
    __builtin_prefetch(p + i + 2048);
    __builtin_prefetch(p + i + 2112);
    __builtin_prefetch(p + i + 2176);
    __builtin_prefetch(p + i + 2240);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) sums[j] = V::xorI(sums[j], V::loadBytes(p + i + 64 * j));
  }
  return V::sumI(V::addI(V::addI(sums[0], sums[1]), V::addI(sums[2], sums[3])));
}

}  // namespace
