// gemmF32 and matmulF32: out[m, n] = Σ_k a[m, k]·b[n, k] in float32. Each output is one chain of (fused where the set
// has it) multiply-adds over k = 0, 1, 2, ... from +0 or from what out holds, so its bits depend on neither M, N, the
// strides, the tile, the threads nor where K is cut.
//
// b is packed to panels [k][columns], which the tile reads as vectors; a is copied to tiles
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

  int64_t M, N, K, aM, aK, bN, bK, outStride;
  const uint8_t* a;
  const uint8_t* b;
  uint8_t* out;
  bool continues;
  float* panels;
  float* tiles;

  float* outAt(int64_t m, int64_t n) const { return reinterpret_cast<float*>(out + m * outStride) + n; }
  const float* bAt(int64_t n, int64_t k) const { return reinterpret_cast<const float*>(b + n * bN + k * bK); }
  const float* aAt(int64_t m, int64_t k) const { return reinterpret_cast<const float*>(a + m * aM + k * aK); }

  /// Columns [k, k + depth) of rows [n, n + columns) of b, as [depth][columns]; rows past N are zero.
  void packPanel(float* to, int64_t n, int64_t k, int64_t depth) const {
    for (int v = 0; v < vectors; v++, n += 16, to += 16) {
      const int64_t rows = larger(0, smaller(16, N - n));
      int64_t i = 0;
      if (bN == 4 && rows > 0) {
        for (; i < depth; i++) V::store(to + i * columns, V::loadPart(bAt(n, k + i), rows));
      } else if (rows == 16 && bK == 4 && bN % 4 == 0) {
        for (; i + 8 <= depth; i += 8) V::transpose8(bAt(n, k + i), bN / 4, to + i * columns, columns);
      }
      for (; i < depth; i++) {
        for (int64_t r = 0; r < 16; r++) to[i * columns + r] = r < rows ? *bAt(n + r, k + i) : 0.0f;
      }
    }
  }

  /// R rows by one panel. `first`: start at +0, else continue in out.
  template <int rows>
  void tile(const float* line, const float* panel, int64_t depth, int64_t m, int64_t n, bool first) const {
    typename V::F acc[rows * vectors];
    int64_t lanes[vectors];
    unrolled<vectors>([&](auto v) BITLOOM_INLINE { lanes[v.value] = larger(0, smaller(16, N - n - 16 * v.value)); });
    unrolled<rows * vectors>([&](auto i) BITLOOM_INLINE {
      constexpr int r = i.value / vectors, v = i.value % vectors;
      acc[i.value] = first ? V::set(0.0f) : V::loadPart(outAt(m + r, n + 16 * v), lanes[v]);
    });
    for (int64_t k = 0; k < depth; k++, panel += columns) {
      typename V::F column[vectors];
      unrolled<vectors>([&](auto v) BITLOOM_INLINE { column[v.value] = V::load(panel + 16 * v.value); });
      unrolled<rows>([&](auto r) BITLOOM_INLINE {
        const typename V::F value = V::set(line[r.value * kDepth + k]);
        unrolled<vectors>([&](auto v) BITLOOM_INLINE {
          constexpr int i = r.value * vectors + v.value;
          acc[i] = V::fma(value, column[v.value], acc[i]);
        });
      });
    }
    unrolled<rows * vectors>([&](auto i) BITLOOM_INLINE {
      constexpr int r = i.value / vectors, v = i.value % vectors;
      V::storePart(outAt(m + r, n + 16 * v), acc[i.value], lanes[v]);
    });
  }

  template <int rows>
  void tileOf(int64_t count, const float* line, const float* panel, int64_t depth, int64_t m, int64_t n,
              bool first) const {
    if constexpr (rows > 1) {
      if (count < rows) return tileOf<rows - 1>(count, line, panel, depth, m, n, first);
    }
    tile<rows>(line, panel, depth, m, n, first);
  }

  void copyRows(int64_t m, int64_t count, int64_t k, int64_t depth) const {
    for (int64_t r = 0; r < count; r++) {
      float* to = tiles + r * kDepth;
      if (aK == 4) memcpy(to, aAt(m + r, k), static_cast<size_t>(depth) * 4);
    }
    if (aK == 4) return;
    // 16 columns at a time: a line of a transposed operand is used for as many rows as it holds.
    for (int64_t k0 = 0; k0 < depth; k0 += 16) {
      const int64_t k1 = smaller(depth, k0 + 16);
      for (int64_t r = 0; r < count; r++) {
        for (int64_t i = k0; i < k1; i++) tiles[r * kDepth + i] = *aAt(m + r, k + i);
      }
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
              tileOf<R>(count - m, tiles + m * kDepth, panels + (n - n0) * kDepth, depth, m0 + m, n,
                      k == 0 && !continues);
            }
          }
        }
      }
    }
    return kOk;
  }
};

/// Sizes at arguments 0 to 2, out at `at` and at + 1.
template <class V>
Status floatProduct(Arguments& args, FloatProduct<V>& p, int pointerA, int pointerB, int at) {
  p.M = args.size(0);
  p.N = args.size(1);
  p.K = args.size(2);
  p.outStride = args.whole(at + 1);
  p.a = args.place(args.whole(pointerA), p.N > 0 ? p.M : 0, p.aM, p.K, p.aK, 4).base;
  p.b = args.place(args.whole(pointerB), p.M > 0 ? p.N : 0, p.bN, p.K, p.bK, 4).base;
  p.out = args.place(args.whole(at), 1, 0, p.M, p.outStride, p.N * 4).base;
  if (args.status() != kOk || p.M == 0 || p.N == 0) return args.status();
  return p.run();
}

/// Arguments: M, N, K, x, xR, w, wR, out, outR.
template <class V>
Status gemmF32(const Call& call) {
  Arguments args(call);
  FloatProduct<V> p;
  p.aM = args.whole(4);
  p.bN = args.whole(6);
  p.aK = p.bK = 4;
  p.continues = false;
  return floatProduct<V>(args, p, 3, 5, 7);
}

/// Arguments: M, N, K, a, aM, aK, b, bN, bK, out, outR, flags.
template <class V>
Status matmulF32(const Call& call) {
  Arguments args(call);
  FloatProduct<V> p;
  p.aM = args.whole(4);
  p.aK = args.whole(5);
  p.bN = args.whole(7);
  p.bK = args.whole(8);
  p.continues = (args.size(11) & kFlagContinue) != 0;
  return floatProduct<V>(args, p, 3, 6, 9);
}

}  // namespace
