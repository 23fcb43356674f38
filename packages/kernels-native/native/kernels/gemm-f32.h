// gemmF32: out[m, n] = Σ_k x[m, k]·w[n, k] in float32. Each output is one chain of (fused where the set has it)
// multiply-adds over k = 0, 1, 2, ... from +0, so its bits depend on neither M, N, the tile nor the threads.
//
// Weights are packed to panels [k][columns], which the tile reads as vectors; activations are copied to tiles
// [row][k] of fixed stride, so that rows a power of two apart do not fight for the same cache lines, and broadcast.
// Loops from outside: kSpan outputs, kDepth of K (sums continue in `out`), kRows rows, panels, tiles.
#pragma once

#include "../arguments.h"

namespace {

/// K at a time: a panel of 16 columns (16 KiB) and a tile of rows (6 KiB) share a first-level cache.
constexpr int64_t kDepth = 256;
/// Outputs whose packed weights (1 MiB) stay in a third-level cache.
constexpr int64_t kSpan = 1024;
/// Rows whose copy (under 200 KiB) stays in a second-level cache; a multiple of every tile height.
constexpr int64_t kRows = 192;

template <class V>
struct FloatProduct {
  static constexpr int R = V::floatRows;
  static constexpr int vectors = V::floatVectors;
  static constexpr int64_t columns = 16 * vectors;

  int64_t M, N, K, xStride, wStride, outStride;
  const uint8_t* x;
  const uint8_t* w;
  uint8_t* out;
  float* panels;
  float* tiles;

  float* outAt(int64_t m, int64_t n) const { return reinterpret_cast<float*>(out + m * outStride) + n; }

  /// Columns [k, k + depth) of rows [n, n + columns) of w, as [depth][columns]; rows past N are zero.
  void packPanel(float* to, int64_t n, int64_t k, int64_t depth) const {
    for (int v = 0; v < vectors; v++, n += 16, to += 16) {
      const int64_t rows = larger(0, smaller(16, N - n));
      int64_t i = 0;
      if (rows == 16 && wStride % 4 == 0) {
        const float* from = reinterpret_cast<const float*>(w + n * wStride) + k;
        for (; i + 8 <= depth; i += 8) V::transpose8(from + i, wStride / 4, to + i * columns, columns);
      }
      for (; i < depth; i++) {
        for (int64_t r = 0; r < 16; r++) {
          to[i * columns + r] = r < rows ? reinterpret_cast<const float*>(w + (n + r) * wStride)[k + i] : 0.0f;
        }
      }
    }
  }

  /// R rows by one panel. `first`: start at +0, else continue in out.
  template <int rows>
  void tile(const float* a, const float* b, int64_t depth, int64_t m, int64_t n, bool first) const {
    typename V::F acc[rows][vectors];
    int64_t lanes[vectors];
    for (int v = 0; v < vectors; v++) lanes[v] = larger(0, smaller(16, N - n - 16 * v));
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < vectors; v++) {
        if (first) acc[r][v] = V::set(0.0f);
        else acc[r][v] = V::loadPart(outAt(m + r, n + 16 * v), lanes[v]);
      }
    }
    for (int64_t k = 0; k < depth; k++, b += columns) {
      typename V::F line[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) line[v] = V::load(b + 16 * v);
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        const typename V::F value = V::set(a[r * kDepth + k]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) acc[r][v] = V::fma(value, line[v], acc[r][v]);
      }
    }
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < vectors; v++) V::storePart(outAt(m + r, n + 16 * v), acc[r][v], lanes[v]);
    }
  }

  template <int rows>
  void tileOf(int64_t count, const float* a, const float* b, int64_t depth, int64_t m, int64_t n, bool first) const {
    if constexpr (rows > 1) {
      if (count < rows) return tileOf<rows - 1>(count, a, b, depth, m, n, first);
    }
    tile<rows>(a, b, depth, m, n, first);
  }

  void copyRows(int64_t m, int64_t count, int64_t k, int64_t depth) const {
    for (int64_t r = 0; r < count; r++) {
      memcpy(tiles + r * kDepth, reinterpret_cast<const float*>(x + (m + r) * xStride) + k,
             static_cast<size_t>(depth) * 4);
    }
  }

  Status run() {
    const int64_t span = smaller(kSpan, ceilDiv(N, columns) * columns);
    panels = scratch<float>(kScratchWeights, span * kDepth);
    tiles = scratch<float>(kScratchActivations, smaller(kRows, M) * kDepth);
    if (panels == nullptr || tiles == nullptr) return kNoMemory;
    for (int64_t n0 = 0; n0 < N; n0 += kSpan) {
      const int64_t n1 = smaller(N, n0 + kSpan);
      // K = 0 passes once, with no depth, and writes zeros.
      for (int64_t k = 0; k == 0 || k < K; k += kDepth) {
        const int64_t depth = smaller(kDepth, K - k);
        for (int64_t n = n0; n < n1; n += columns) packPanel(panels + (n - n0) * kDepth, n, k, depth);
        for (int64_t m0 = 0; m0 < M; m0 += kRows) {
          const int64_t count = smaller(kRows, M - m0);
          copyRows(m0, count, k, depth);
          for (int64_t n = n0; n < n1; n += columns) {
            for (int64_t m = 0; m < count; m += R) {
              tileOf<R>(count - m, tiles + m * kDepth, panels + (n - n0) * kDepth, depth, m0 + m, n, k == 0);
            }
          }
        }
      }
    }
    return kOk;
  }
};

/// Arguments: M, N, K, x, xR, w, wR, out, outR.
template <class V>
Status gemmF32(const Call& call) {
  Arguments a(call);
  FloatProduct<V> p;
  p.M = a.size(0);
  p.N = a.size(1);
  p.K = a.size(2);
  p.xStride = a.whole(4);
  p.wStride = a.whole(6);
  p.outStride = a.whole(8);
  p.x = a.place(a.whole(3), 1, 0, p.M, p.xStride, p.K * 4).base;
  p.w = a.place(a.whole(5), 1, 0, p.N, p.wStride, p.K * 4).base;
  p.out = a.place(a.whole(7), 1, 0, p.M, p.outStride, p.N * 4).base;
  if (a.status() != kOk || p.M == 0 || p.N == 0) return a.status();
  return p.run();
}

}  // namespace
