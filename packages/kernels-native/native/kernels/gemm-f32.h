// gemmF32 and matmulF32: out[m, n] = Σ_k a[m, k]·b[n, k] in float32, in the order of the WebAssembly kernels: blocks of
// kDepth of K; within one, four chains by k mod 4 from +0 of (fused where the set has it) multiply-adds; then
// (s0 + s2) + (s1 + s3) is added to what the blocks before, or out itself, gave. So bits depend on neither M, N, the
// strides, the tile, the threads nor where K is cut at multiples of kDepth, and where the engine fuses they are those of
// WebAssembly. Lanes are four columns by four chains: what lies side by side along K needs no transposition.
//
// b is packed to panels [k / 4][4 columns][4]. a is read where it lies, or copied to tiles [row][k] of fixed stride where it
// is transposed or its rows would fight for the same cache lines. Few rows read b where it lies.
// Loops from outside: kSpan outputs, kDepth of K (sums continue in `out`), kRows rows, panels, tiles.
#pragma once

#include "../arguments.h"

namespace {

/// K at a time; part of the definition. A panel of 4 columns (8 KiB) and a tile of rows share a first-level cache.
constexpr int64_t kDepth = 512;
/// Outputs whose packed weights (256 KiB) stay in a second-level cache.
constexpr int64_t kSpan = 128;
/// Rows whose copy (96 KiB) stays there as well; a multiple of every tile height.
constexpr int64_t kRows = 48;
/// Columns of a panel.
constexpr int64_t kQuad = 4;
/// float32 from one copied row of a to the next: a line more than a power of two.
constexpr int64_t kStride = kDepth + 16;
/// float32 in a line of a cache.
constexpr int64_t kLine = 16;

template <class V>
struct FloatProduct {
  static constexpr int R = V::floatRows;
  using F = typename V::F;

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

  /// Columns [k, k + depth) of rows [n, n + 4) of b, as [depth / 4][4][4]; what lies past N and past `depth` is zero.
  void packPanel(float* to, int64_t n, int64_t k, int64_t depth) const {
    const int64_t rows = smaller(kQuad, N - n);
    const bool isWhole = rows == kQuad && (bK == 4 || bN == 4) && bK % 4 == 0 && bN % 4 == 0;
    int64_t i = 0;
    if (isWhole) {
      for (; i + 4 <= depth; i += 4, to += 16) {
        if (bK == 4) {
          V::store(to, V::quads(bAt(n, k + i), bAt(n + 1, k + i), bAt(n + 2, k + i), bAt(n + 3, k + i)));
        } else {
          V::transposeQuad(bAt(n, k + i), bK / 4, to);
        }
      }
    }
    for (; i < depth; i += 4, to += 16) {
      for (int64_t r = 0; r < kQuad; r++) {
        for (int64_t j = 0; j < 4; j++) to[r * 4 + j] = r < rows && i + j < depth ? *bAt(n + r, k + i + j) : 0.0f;
      }
    }
  }

  /// Adds the folded chains of one row and four columns to out.
  BITLOOM_INLINE void finish(F chains, int64_t m, int64_t n, bool first) const {
    float* to = outAt(m, n);
    if (n + kQuad <= N) return V::addFolded(chains, to, first);
    float sums[4] = {};
    V::addFolded(chains, sums, true);
    for (int64_t c = 0; c < N - n; c++) to[c] = first ? sums[c] : to[c] + sums[c];
  }

  /// `rows` rows by one panel: `steps` of four columns of K. `lines` are the rows of a, `stride` floats apart.
  template <int rows>
  void tile(const float* lines, int64_t stride, const float* panel, int64_t steps, int64_t m, int64_t n, bool first) const {
    F acc[rows];
    unrolled<rows>([&](auto r) BITLOOM_INLINE { acc[r.value] = V::set(0.0f); });
    for (int64_t s = 0; s < steps; s++, panel += 16) {
      const F columns = V::load(panel);
      unrolled<rows>([&](auto r) BITLOOM_INLINE {
        acc[r.value] = V::fma(V::quad(lines + r.value * stride + s * 4), columns, acc[r.value]);
      });
    }
    unrolled<rows>([&](auto r) BITLOOM_INLINE { finish(acc[r.value], m + r.value, n, first); });
  }

  template <int rows>
  void tileOf(int64_t count, const float* lines, int64_t stride, const float* panel, int64_t steps, int64_t m,
              int64_t n, bool first) const {
    if constexpr (rows > 1) {
      if (count < rows) return tileOf<rows - 1>(count, lines, stride, panel, steps, m, n, first);
    }
    tile<rows>(lines, stride, panel, steps, m, n, first);
  }

  /// Whether the rows of a can be read where they lie: contiguous, and not all on the same lines of a first-level cache,
  /// whose ways lie 4 KiB apart.
  bool readsInPlace() const { return aK == 4 && aM % 4 == 0 && K % 4 == 0 && aM % 4096 != 0; }

  /// Rows [m, m + count) of a, depth columns from k on, with zeros up to a whole step.
  void copyRows(int64_t m, int64_t count, int64_t k, int64_t depth) const {
    const int64_t whole = ceilDiv(depth, 4) * 4;
    for (int64_t r = 0; r < count; r++) {
      float* to = tiles + r * kStride;
      if (aK == 4) memcpy(to, aAt(m + r, k), static_cast<size_t>(depth) * 4);
      for (int64_t i = depth; i < whole; i++) to[i] = 0.0f;
    }
    if (aK == 4) return;
    // 16 columns at a time: a line of a transposed operand is used for as many rows as it holds.
    for (int64_t k0 = 0; k0 < depth; k0 += 16) {
      const int64_t k1 = smaller(depth, k0 + 16);
      for (int64_t r = 0; r < count; r++) {
        for (int64_t i = k0; i < k1; i++) tiles[r * kStride + i] = *aAt(m + r, k + i);
      }
    }
  }

  /// Asks for columns [from, to) of rows [row, end), contiguous along K, into a second-level cache.
  BITLOOM_INLINE static void fetch(const uint8_t* base, int64_t stride, int64_t row, int64_t end, int64_t from,
                                   int64_t to) {
    for (; row < end; row++) {
      for (int64_t i = from; i < to; i += kLine) __builtin_prefetch(base + row * stride + i * 4, 0, 2);
    }
  }

  /// `rows` rows of a by two quads of rows of b that lie side by side along K: nothing is packed but the end of K.
  template <int rows>
  void direct(const float* own, int64_t k, int64_t depth, int64_t m, int64_t n, bool first) const {
    constexpr int quads = 2;
    const int64_t steps = depth / 4, rest = depth % 4;
    const float* lines[quads * 4];
    // Columns past N repeat the last: their sums are not stored.
    for (int c = 0; c < quads * 4; c++) lines[c] = bAt(smaller(n + c, N - 1), k);
    F acc[rows * quads];
    unrolled<rows * quads>([&](auto i) BITLOOM_INLINE { acc[i.value] = V::set(0.0f); });
    const auto step = [&](const float* const* at, const float* line, int64_t stride, int64_t s) BITLOOM_INLINE {
      unrolled<quads>([&](auto q) BITLOOM_INLINE {
        constexpr int c = q.value * 4;
        const F columns = V::quads(at[c] + s, at[c + 1] + s, at[c + 2] + s, at[c + 3] + s);
        unrolled<rows>([&](auto r) BITLOOM_INLINE {
          constexpr int i = r.value * quads + q.value;
          acc[i] = V::fma(V::quad(line + r.value * stride + s), columns, acc[i]);
        });
      });
    };
    for (int64_t s = 0; s < steps; s++) step(lines, own, kStride, s * 4);
    if (rest > 0) {
      float ends[quads * 4][4];
      const float* at[quads * 4];
      for (int c = 0; c < quads * 4; c++) {
        for (int64_t j = 0; j < 4; j++) ends[c][j] = j < rest ? lines[c][steps * 4 + j] : 0.0f;
        at[c] = ends[c];
      }
      step(at, own + steps * 4, kStride, 0);
    }
    unrolled<rows * quads>([&](auto i) BITLOOM_INLINE {
      constexpr int r = i.value / quads, q = i.value % quads;
      if (n + q * 4 < N) finish(acc[i.value], m + r, n + q * 4, first);
    });
  }

  template <int rows>
  void directOf(int64_t count, const float* own, int64_t k, int64_t depth, int64_t m, int64_t n, bool first) const {
    if constexpr (rows > 1) {
      if (count < rows) return directOf<rows - 1>(count, own, k, depth, m, n, first);
    }
    direct<rows>(own, k, depth, m, n, first);
  }

  /// Rows of one `direct`: two quads of accumulators each.
  static constexpr int64_t directRows = R / 2;
  /// Most rows for which packing b costs more than it saves: b is read once per directRows, from a first-level cache.
  static constexpr int64_t mostDirectRows = 2 * directRows;

  Status runDirect() {
    tiles = scratch<float>(kScratchActivations, M * kStride);
    if (tiles == nullptr) return kNoMemory;
    for (int64_t k = 0; k == 0 || k < K; k += kDepth) {
      const int64_t depth = smaller(kDepth, K - k);
      copyRows(0, M, k, depth);
      for (int64_t n = 0; n < N; n += 2 * kQuad) {
        for (int64_t m = 0; m < M; m += directRows) {
          directOf<directRows>(M - m, tiles + m * kStride, k, depth, m, n, k == 0 && !continues);
        }
      }
    }
    return kOk;
  }

  Status run() {
    // No sum at all: what is continued stays as it is, −0 included.
    if (K == 0 && continues) return kOk;
    if (M <= mostDirectRows && bK == 4) return runDirect();
    const int64_t span = smaller(kSpan, ceilDiv(N, kQuad) * kQuad);
    panels = scratch<float>(kScratchWeights, span * kDepth);
    tiles = scratch<float>(kScratchActivations, smaller(kRows, M) * kStride);
    if (panels == nullptr || tiles == nullptr) return kNoMemory;
    const bool inPlace = readsInPlace();
    const int64_t stride = inPlace ? aM / 4 : kStride;
    for (int64_t n0 = 0; n0 < N; n0 += kSpan) {
      const int64_t n1 = smaller(N, n0 + kSpan);
      // K = 0 passes once, with no depth, and writes zeros.
      for (int64_t k = 0; k == 0 || k < K; k += kDepth) {
        const int64_t depth = smaller(kDepth, K - k), steps = ceilDiv(depth, 4);
        const bool first = k == 0 && !continues;
        for (int64_t m0 = 0; m0 < M; m0 += kRows) {
          const int64_t count = smaller(kRows, M - m0);
          if (!inPlace) copyRows(m0, count, k, depth);
          const float* lines = inPlace ? aAt(m0, k) : tiles;
          for (int64_t m = 0; m < count; m += R) {
            for (int64_t n = n0; n < n1; n += kQuad) {
              float* panel = panels + (n - n0) * kDepth;
              // A panel is packed when it is first read, and the next one is fetched meanwhile.
              if (m0 + m == 0) {
                packPanel(panel, n, k, depth);
                if (bK == 4) fetch(b + k * 4, bN, n + kQuad, smaller(n1, n + 2 * kQuad), 0, depth);
              }
              // So are the rows of the next block, a line for each panel.
              const int64_t next = m0 + kRows + m, at = (n - n0) / kQuad * kLine;
              if (aK == 4) fetch(a + k * 4, aM, next, smaller(M, next + R), at, smaller(depth, at + kLine));
              tileOf<R>(count - m, lines + m * stride, stride, panel, steps, m0 + m, n, first);
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
  p.out = args.results(at, p.M, p.N * 4).base;
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
