// attentionMix and attentionMixF32: rows of probabilities times the values of the tokens, see Kernels of
// @bitloom/kernels. Lane = column of the head, so tokens are added in order without sums across lanes.
#pragma once

#include "attention-rows.h"

namespace {

/// Columns of one pass: a tile of fewer rows takes more columns, four vectors of sums in all.
constexpr int vectorsFor(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

template <class V>
struct IntMix {
  struct Operands {
    /// Pairs of probabilities as two int16, [row][ceil(K / 2)]; an odd last token is paired with 0.
    const int32_t* pairs[kRowTile];
    const int8_t* values;
    int64_t stride, K, N;
    const uint8_t* end;
    int32_t* sums[kRowTile];
    float* out[kRowTile];
    float factors[kRowTile];
    int64_t flags;
  };

  template <int rows>
  struct Rows {
    static constexpr int vectors = vectorsFor(rows);

    static void run(const Operands& o) {
      for (int64_t n = 0; n < o.N; n += 16 * vectors) columns(o, n);
    }

    /// 16 bytes at p, of which `left` belong to the head; the others are read only where memory has them.
    BITLOOM_INLINE static const int8_t* sixteen(const Operands& o, const int8_t* p, int64_t left, int8_t* buffer) {
      if (reinterpret_cast<const uint8_t*>(p) + 16 <= o.end) return p;
      memcpy(buffer, p, static_cast<size_t>(smaller(16, left)));
      return buffer;
    }

    static void columns(const Operands& o, int64_t n) {
      typename V::I acc[rows * vectors];
      int64_t left[vectors];
      int used = 0;
      for (int v = 0; v < vectors; v++) {
        left[v] = larger(0, smaller(16, o.N - n - 16 * v));
        if (left[v] > 0) used = v + 1;
      }
      const bool go = (o.flags & kFlagContinue) != 0;
      unrolled<rows * vectors>([&](auto i) BITLOOM_INLINE {
        constexpr int r = i.value / vectors, v = i.value % vectors;
        acc[i.value] = go ? V::loadPartI(o.sums[r] + n + 16 * v, left[v]) : V::setI(0);
      });
      if (used == vectors) tokens<vectors>(o, n, left, acc);
      else if (used == 1) tokens<1>(o, n, left, acc);
      else if (used == 2) tokens<smaller(2, vectors)>(o, n, left, acc);
      else tokens<smaller(3, vectors)>(o, n, left, acc);
      const bool finish = (o.flags & kFlagFinish) != 0;
      unrolled<rows * vectors>([&](auto i) BITLOOM_INLINE {
        constexpr int r = i.value / vectors, v = i.value % vectors;
        if (v >= used) return;
        V::storePartI(o.sums[r] + n + 16 * v, acc[i.value], left[v]);
        if (!finish) return;
        V::storePart(o.out[r] + n + 16 * v, V::mul(V::toFloat(acc[i.value]), V::set(o.factors[r])), left[v]);
      });
    }

    template <int used>
    BITLOOM_INLINE static void tokens(const Operands& o, int64_t n, const int64_t* left, typename V::I* acc) {
      int8_t first[16], second[16];
      for (int64_t t = 0; t < o.K; t += 2) {
        const int8_t* a = o.values + t * o.stride + n;
        // The missing partner of an odd last token has probability 0: any bytes do.
        const int8_t* b = t + 1 < o.K ? a + o.stride : a;
        typename V::H line[used];
        unrolled<used>([&](auto v) BITLOOM_INLINE {
          line[v.value] = V::interleaveBytes(sixteen(o, a + 16 * v.value, left[v.value], first),
                                             sixteen(o, b + 16 * v.value, left[v.value], second));
        });
        unrolled<rows>([&](auto r) BITLOOM_INLINE {
          const typename V::H pair = V::pairEverywhere(o.pairs[r.value][t / 2]);
          unrolled<used>([&](auto v) BITLOOM_INLINE {
            constexpr int i = r.value * vectors + v.value;
            acc[i] = V::dot2(acc[i], line[v.value], pair);
          });
        });
      }
    }
  };
};

/// Arguments: batch, M, N, K, p, pB, pR, pScale, pScaleB, pScaleR, v, vB, vR, bDiv, acc, accB, accR, out, outB, outR,
/// flags.
template <class V>
Status attentionMix(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), M = a.size(1), N = a.size(2), K = a.size(3), bDiv = a.size(13);
  if (bDiv < 1) a.refuse(kBadArgument);
  const int64_t shared = bDiv < 1 ? 0 : ceilDiv(batch, bDiv);
  const int64_t flags = a.size(20);
  const bool finish = (flags & kFlagFinish) != 0 && N > 0;
  const Operand p = a.rows(4, batch, M, K);
  const Operand pScale = a.rows(7, batch, M, finish ? 4 : 0);
  const Operand values = a.rows(10, M > 0 ? shared : 0, K, N);
  const Operand sums = a.results(14, batch, M, N * 4);
  const Operand out = a.results(17, batch, M, finish ? N * 4 : 0);
  if (a.status() != kOk || batch == 0 || M == 0 || N == 0) return a.status();
  const int64_t pairs = ceilDiv(K, 2);
  int32_t* wide = scratch<int32_t>(kScratchActivations, kRowTile * pairs);
  if (wide == nullptr) return kNoMemory;
  forRowTiles(batch, M, bDiv, [&](int64_t group, const RowIndex* tile, int count) {
    typename IntMix<V>::Operands o;
    o.values = values.at<int8_t>(group, 0);
    o.stride = values.rowStride;
    o.K = K;
    o.N = N;
    o.end = a.end();
    o.flags = flags;
    for (int r = 0; r < count; r++) {
      const int8_t* from = p.at<int8_t>(tile[r].b, tile[r].m);
      int32_t* to = wide + r * pairs;
      for (int64_t t = 0; t < K; t += 2) {
        const uint16_t low = static_cast<uint16_t>(from[t]);
        const uint16_t high = t + 1 < K ? static_cast<uint16_t>(from[t + 1]) : uint16_t{0};
        to[t / 2] = static_cast<int32_t>(low | static_cast<uint32_t>(high) << 16);
      }
      o.pairs[r] = to;
      o.sums[r] = sums.at<int32_t>(tile[r].b, tile[r].m);
      o.out[r] = finish ? out.at<float>(tile[r].b, tile[r].m) : nullptr;
      o.factors[r] = finish ? *pScale.at<float>(tile[r].b, tile[r].m) : 0.0f;
    }
    forCount<IntMix<V>::template Rows>(count, o);
  });
  return kOk;
}

template <class V>
struct FloatMix {
  struct Operands {
    const float* weights[kRowTile];
    const uint8_t* values;
    int64_t stride, K, N;
    float* out[kRowTile];
  };

  template <int rows>
  struct Rows {
    static constexpr int vectors = vectorsFor(rows);

    static void run(const Operands& o) {
      int64_t n = 0;
      for (; n + 16 * vectors <= o.N; n += 16 * vectors) columns<vectors, true>(o, n, 16);
      for (; n + 16 <= o.N; n += 16) columns<1, true>(o, n, 16);
      if (n < o.N) columns<1, false>(o, n, o.N - n);
    }

    template <int width, bool whole>
    static void columns(const Operands& o, int64_t n, int64_t left) {
      typename V::F acc[rows * width];
      unrolled<rows * width>([&](auto i) BITLOOM_INLINE { acc[i.value] = V::set(0.0f); });
      for (int64_t t = 0; t < o.K; t++) {
        const float* from = reinterpret_cast<const float*>(o.values + t * o.stride) + n;
        typename V::F line[width];
        unrolled<width>([&](auto v) BITLOOM_INLINE {
          line[v.value] = whole ? V::load(from + 16 * v.value) : V::loadPart(from, left);
        });
        unrolled<rows>([&](auto r) BITLOOM_INLINE {
          const typename V::F weight = V::set(o.weights[r.value][t]);
          unrolled<width>([&](auto v) BITLOOM_INLINE {
            constexpr int i = r.value * width + v.value;
            acc[i] = V::add(acc[i], V::mul(weight, line[v.value]));
          });
        });
      }
      unrolled<rows * width>([&](auto i) BITLOOM_INLINE {
        constexpr int r = i.value / width, v = i.value % width;
        storeSome<V>(o.out[r] + n + 16 * v, acc[i.value], left);
      });
    }
  };
};

/// Arguments: batch, M, N, K, p, pB, pR, v, vB, vR, bDiv, out, outB, outR.
template <class V>
Status attentionMixF32(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), M = a.size(1), N = a.size(2), K = a.size(3), bDiv = a.size(10);
  if (bDiv < 1) a.refuse(kBadArgument);
  const int64_t shared = bDiv < 1 ? 0 : ceilDiv(batch, bDiv);
  const Operand p = a.rows(4, batch, M, N > 0 ? K * 4 : 0);
  const Operand values = a.rows(7, M > 0 ? shared : 0, K, N * 4);
  const Operand out = a.results(11, batch, M, N * 4);
  if (a.status() != kOk || batch == 0 || M == 0 || N == 0) return a.status();
  forRowTiles(batch, M, bDiv, [&](int64_t group, const RowIndex* tile, int count) {
    typename FloatMix<V>::Operands o;
    o.values = values.row(group, 0);
    o.stride = values.rowStride;
    o.K = K;
    o.N = N;
    for (int r = 0; r < count; r++) {
      o.weights[r] = p.at<float>(tile[r].b, tile[r].m);
      o.out[r] = out.at<float>(tile[r].b, tile[r].m);
    }
    forCount<FloatMix<V>::template Rows>(count, o);
  });
  return kOk;
}

}  // namespace
