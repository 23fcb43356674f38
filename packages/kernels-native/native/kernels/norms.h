// rmsNorm and layerNorm, see Kernels of @bitloom/kernels, and what norms that centre their rows share.
#pragma once

#include <math.h>

#include "row-functions.h"

namespace {

/// sum / cols in float32. The quotient is taken in float64 first, as the definition does, because cols need not be a
/// float32.
inline float meanOf(float sum, int64_t cols) {
  return static_cast<float>(static_cast<double>(sum) / static_cast<double>(cols));
}

/// 1 / sqrt(sum / cols + eps), each step rounded to float32.
inline float normFactor(float sum, int64_t cols, float eps) { return 1.0f / sqrtf(meanOf(sum, cols) + eps); }

/// Arguments: batch, rows, cols, src, srcB, srcR, weight, dst, dstB, dstR, eps.
template <class V>
Status rmsNorm(const Call& call) {
  using F = typename V::F;
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const float* weight = reinterpret_cast<const float*>(a.block(6, cols * 4));
  const Operand dst = a.results(7, batch, rows, cols * 4);
  const float eps = a.scalar(10);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = src.at<float>(b, r);
      float* to = dst.at<float>(b, r);
      const float squares = sumOf<V>(cols, [&](int64_t i, int64_t left) {
        const F x = loadSome<V>(from + i, left);
        return V::mul(x, x);
      });
      const F factor = V::set(normFactor(squares, cols, eps));
      for (int64_t i = 0; i < cols; i += 16) {
        const int64_t left = cols - i;
        const F y = V::mul(V::mul(loadSome<V>(from + i, left), factor), loadSome<V>(weight + i, left));
        storeSome<V>(to + i, y, left);
      }
    }
  }
  return kOk;
}

/// Rows less their mean, times the factor that `factorOf(sum, cols, eps)` makes of the sum of `term(d)`, weighted and
/// perhaps biased. Arguments: batch, rows, cols, src, srcB, srcR, weight, bias, dst, dstB, dstR, eps.
template <class V, class Term, class Factor>
Status centredNorm(const Call& call, Term term, Factor factorOf) {
  using F = typename V::F;
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const float* weight = reinterpret_cast<const float*>(a.block(6, cols * 4));
  const bool biased = a.whole(7) != 0;
  const float* bias = biased ? reinterpret_cast<const float*>(a.block(7, cols * 4)) : nullptr;
  const Operand dst = a.results(8, batch, rows, cols * 4);
  const float eps = a.scalar(11);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = src.at<float>(b, r);
      float* to = dst.at<float>(b, r);
      const float sum = sumOf<V>(cols, [&](int64_t i, int64_t left) { return loadSome<V>(from + i, left); });
      const F mean = V::set(meanOf(sum, cols));
      const float terms = sumOf<V>(cols, [&](int64_t i, int64_t left) {
        const F value = term(V::sub(loadSome<V>(from + i, left), mean));
        if (left >= 16) return value;
        // Lanes past the end hold the term of the mean, not 0.
        float last[16];
        V::store(last, value);
        return V::loadPart(last, left);
      });
      const F factor = V::set(factorOf(terms, cols, eps));
      for (int64_t i = 0; i < cols; i += 16) {
        const int64_t left = cols - i;
        const F d = V::sub(loadSome<V>(from + i, left), mean);
        F y = V::mul(V::mul(d, factor), loadSome<V>(weight + i, left));
        if (biased) y = V::add(y, loadSome<V>(bias + i, left));
        storeSome<V>(to + i, y, left);
      }
    }
  }
  return kOk;
}

/// Arguments: those of centredNorm.
template <class V>
Status layerNorm(const Call& call) {
  using F = typename V::F;
  return centredNorm<V>(call, [](F d) { return V::mul(d, d); }, normFactor);
}

}  // namespace
