// attentionScores and attentionScoresF32: dot products of query rows and key rows, see Kernels of @bitloom/kernels.
// Sixteen keys at a time: their sums are vectors of 16 lanes each, which are added across together.
#pragma once

#include "attention-rows.h"

namespace {

/// Queries of a tile as int16, [row][K rounded up to 32], zeros past K: so that bytes past a key's end count nothing.
struct WideQueries {
  const int16_t* rows[kRowTile];
  int64_t length;
};

template <class V>
struct IntScores {
  struct Keys {
    const int8_t* from;
    int64_t stride, K;
    /// First byte that must not be read.
    const uint8_t* end;
  };

  template <int rows>
  struct Block {
    /// sums[r][j] of `count` keys (at most 16).
    static void run(const WideQueries& q, const Keys& keys, const int64_t& count, typename V::I (&sums)[kRowTile][16]) {
      for (int64_t j = 0; j < count; j++) {
        const int8_t* key = keys.from + j * keys.stride;
        typename V::I acc[rows];
        unrolled<rows>([&](auto r) BITLOOM_INLINE { acc[r.value] = V::setI(0); });
        for (int64_t k = 0; k < q.length; k += 32) {
          typename V::H wide;
          if (reinterpret_cast<const uint8_t*>(key) + k + 32 <= keys.end) {
            wide = V::widenBytes(key + k);
          } else {
            int8_t last[32] = {};
            memcpy(last, key + k, static_cast<size_t>(smaller(32, keys.K - k)));
            wide = V::widenBytes(last);
          }
          unrolled<rows>([&](auto r) BITLOOM_INLINE {
            acc[r.value] = V::dot2(acc[r.value], wide, V::loadH(q.rows[r.value] + k));
          });
        }
        unrolled<rows>([&](auto r) BITLOOM_INLINE { sums[r.value][j] = acc[r.value]; });
      }
    }
  };
};

/// Arguments: batch, M, N, K, q, qB, qR, qScale, qScaleB, qScaleR, k, kB, kR, kScale, kScaleB, bDiv, out, outB, outR.
template <class V>
Status attentionScores(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), M = a.size(1), N = a.size(2), K = a.size(3), bDiv = a.size(15);
  if (bDiv < 1) a.refuse(kBadArgument);
  const int64_t shared = bDiv < 1 ? 0 : ceilDiv(batch, bDiv);
  const Operand q = a.rows(4, batch, M, K);
  const Operand qScale = a.rows(7, batch, M, N > 0 ? 4 : 0);
  const Operand k = a.rows(10, M > 0 ? shared : 0, N, K);
  const Operand kScale = a.place(a.whole(13), shared, a.whole(14), M > 0 ? 1 : 0, 0, N * 4);
  const Operand out = a.results(16, batch, M, N * 4);
  if (a.status() != kOk || batch == 0 || M == 0 || N == 0) return a.status();
  const int64_t length = ceilDiv(K, 32) * 32;
  int16_t* wide = scratch<int16_t>(kScratchActivations, kRowTile * length);
  if (wide == nullptr) return kNoMemory;
  forRowTiles(batch, M, bDiv, [&](int64_t group, const RowIndex* tile, int count) {
    WideQueries queries{{}, length};
    for (int r = 0; r < count; r++) {
      int16_t* to = wide + r * length;
      const int8_t* from = q.at<int8_t>(tile[r].b, tile[r].m);
      for (int64_t i = 0; i < K; i++) to[i] = from[i];
      for (int64_t i = K; i < length; i++) to[i] = 0;
      queries.rows[r] = to;
    }
    const float* factors = kScale.at<float>(group, 0);
    typename V::I sums[kRowTile][16];
    for (int r = 0; r < kRowTile; r++) {
      for (int j = 0; j < 16; j++) sums[r][j] = V::setI(0);
    }
    for (int64_t n = 0; n < N; n += 16) {
      const int64_t keys = smaller(16, N - n);
      const typename IntScores<V>::Keys block{k.at<int8_t>(group, n), k.rowStride, K, a.end()};
      forCount<IntScores<V>::template Block>(count, queries, block, keys, sums);
      const typename V::F keyScale = loadSome<V>(factors + n, keys);
      for (int r = 0; r < count; r++) {
        const typename V::F dots = V::toFloat(V::sumRows(sums[r]));
        const typename V::F queryScale = V::set(*qScale.at<float>(tile[r].b, tile[r].m));
        storeSome<V>(out.at<float>(tile[r].b, tile[r].m) + n, V::mul(V::mul(dots, keyScale), queryScale), keys);
      }
    }
  });
  return kOk;
}

template <class V>
struct FloatScores {
  struct Operands {
    const float* queries[kRowTile];
    const uint8_t* keys;
    int64_t stride, K;
  };

  template <int rows>
  struct Block {
    static void run(const Operands& o, const int64_t& count, typename V::F (&sums)[kRowTile][16]) {
      for (int64_t j = 0; j < count; j++) {
        const float* key = reinterpret_cast<const float*>(o.keys + j * o.stride);
        typename V::F acc[rows];
        unrolled<rows>([&](auto r) BITLOOM_INLINE { acc[r.value] = V::set(0.0f); });
        int64_t k = 0;
        for (; k + 16 <= o.K; k += 16) {
          const typename V::F line = V::load(key + k);
          unrolled<rows>([&](auto r) BITLOOM_INLINE {
            acc[r.value] = V::add(acc[r.value], V::mul(V::load(o.queries[r.value] + k), line));
          });
        }
        if (k < o.K) {
          const typename V::F line = V::loadPart(key + k, o.K - k);
          unrolled<rows>([&](auto r) BITLOOM_INLINE {
            acc[r.value] = V::add(acc[r.value], V::mul(V::loadPart(o.queries[r.value] + k, o.K - k), line));
          });
        }
        unrolled<rows>([&](auto r) BITLOOM_INLINE { sums[r.value][j] = acc[r.value]; });
      }
    }
  };
};

/// Arguments: batch, M, N, K, q, qB, qR, k, kB, kR, bDiv, out, outB, outR.
template <class V>
Status attentionScoresF32(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), M = a.size(1), N = a.size(2), K = a.size(3), bDiv = a.size(10);
  if (bDiv < 1) a.refuse(kBadArgument);
  const int64_t shared = bDiv < 1 ? 0 : ceilDiv(batch, bDiv);
  const Operand q = a.rows(4, batch, M, N > 0 ? K * 4 : 0);
  const Operand k = a.rows(7, M > 0 ? shared : 0, N, K * 4);
  const Operand out = a.results(11, batch, M, N * 4);
  if (a.status() != kOk || batch == 0 || M == 0 || N == 0) return a.status();
  typename V::F sums[kRowTile][16];
  for (int r = 0; r < kRowTile; r++) {
    for (int j = 0; j < 16; j++) sums[r][j] = V::set(0.0f);
  }
  forRowTiles(batch, M, bDiv, [&](int64_t group, const RowIndex* tile, int count) {
    typename FloatScores<V>::Operands o{{}, nullptr, k.rowStride, K};
    for (int r = 0; r < count; r++) o.queries[r] = q.at<float>(tile[r].b, tile[r].m);
    for (int64_t n = 0; n < N; n += 16) {
      const int64_t keys = smaller(16, N - n);
      o.keys = k.row(group, n);
      forCount<FloatScores<V>::template Block>(count, o, keys, sums);
      for (int r = 0; r < count; r++) {
        storeSome<V>(out.at<float>(tile[r].b, tile[r].m) + n, V::treeSums(sums[r]), keys);
      }
    }
  });
  return kOk;
}

}  // namespace
