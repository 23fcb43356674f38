// Products of bytes as int16 by int16, for vectors without a product of eight-bit integers that never saturates. Both
// operands are widened while they are packed, and may be multiplied by a power of two per channel then. Sums are int32
// modulo 2^32.
//
// A quad of channels becomes two pairs, (0, 2) and (1, 3), in both operands, which saves shuffles and changes no sum.
#pragma once

#include "gemm-int8-bytes.h"

namespace {

/// Channels at a time: a panel of 16 columns (16 KiB) and a tile of rows (6 KiB) share a first-level cache.
constexpr int64_t kWordDepth = 512;
/// Rows whose pairs (under 200 KiB) stay in a second-level cache; a multiple of every tile height.
constexpr int64_t kWordRows = 192;
/// Columns whose packed panels (1 MiB) stay in a third-level cache.
constexpr int64_t kWordSpan = 1024;

/// One line of quads as pairs: out[4q..] = (4q, 4q + 2, 4q + 1, 4q + 3), times the weight of each channel if any.
inline void wordsOfRow(const uint8_t* row, const int16_t* weights, int16_t* to, int64_t count) {
#if defined(__AVX2__)
  for (int64_t k = 0; k < count; k += 16) {
    __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + k)));
    if (weights != nullptr) {
      words = _mm256_mullo_epi16(words, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + k)));
    }
    words = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(words, 0xd8), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), words);
  }
#else
  for (int64_t k = 0; k < count; k++) {
    const int64_t source = (k & ~int64_t{3}) + ((k & 1) << 1) + ((k >> 1) & 1);
    const int weight = weights == nullptr ? 1 : weights[source];
    to[k] = static_cast<int16_t>(static_cast<int8_t>(row[source]) * weight);
  }
#endif
}

/// Quads [quad][16][4] to two vectors of pairs each, [quad][2][16][2] int16.
inline void wordsOfQuads(const uint8_t* quads, const int16_t* weights, int16_t* to, int64_t count) {
#if defined(__AVX2__)
  for (int64_t k = 0; k < count; k += 4, quads += kQuadBytes, to += 64) {
    __m256i even = _mm256_set1_epi32(0x00010001), odd = even;
    if (weights != nullptr) {
      int16_t w[4];
      memcpy(w, weights + k, 8);
      const auto pair = [](int16_t low, int16_t high) {
        return _mm256_set1_epi32((static_cast<int32_t>(high) << 16) | static_cast<uint16_t>(low));
      };
      even = pair(w[0], w[2]);
      odd = pair(w[1], w[3]);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(quads + half * 32));
      __m256i low = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
      __m256i high = _mm256_srai_epi16(bytes, 8);
      if (weights != nullptr) {
        low = _mm256_mullo_epi16(low, even);
        high = _mm256_mullo_epi16(high, odd);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + half * 16), low);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32 + half * 16), high);
    }
  }
#else
  for (int64_t k = 0; k < count; k++) {
    const int64_t q = k / 4, i = k % 4;
    const int weight = weights == nullptr ? 1 : weights[k];
    for (int r = 0; r < 16; r++) {
      const int value = static_cast<int8_t>(quads[q * kQuadBytes + r * 4 + i]) * weight;
      to[q * 64 + (i & 1) * 32 + r * 2 + (i >> 1)] = static_cast<int16_t>(value);
    }
  }
#endif
}

/// out[m, n] = Σ a·b (+ out), with weights 2^shift split between a and b where `shift` is not null.
template <class V>
struct WordProduct {
  static constexpr int R = V::panelTokens;

  int64_t M, N, K, outStride;
  ByteMatrix a, b;
  uint8_t* out;
  bool continued;
  /// Shift of each channel, and the largest that codes of a have room for in int16.
  const uint8_t* shift;
  int64_t mostA;
  Finish finish;

  int16_t* panels;
  int16_t* rows;
  uint8_t* buffer;

  template <int T>
  void tile(const int16_t* x, const int16_t* y, int64_t quads, int64_t m, int64_t n, bool first,
            bool last) const {
    typename V::I sums[T];
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) sums[t] = V::setI(0);
    for (int64_t q = 0; q < quads; q++, x += 4, y += 64) {
#pragma GCC unroll 2
      for (int pair = 0; pair < 2; pair++) {
        const typename V::H column = V::loadH(y + pair * 32);
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) {
          addPair<V>(sums[t], column, x + t * kWordDepth + pair * 2, 0);
        }
      }
    }
    const int64_t lanes = smaller(kPanelRows, N - n);
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) {
      storeSums<V>(sums[t], out + (m + t) * outStride, m + t, n, lanes, first, last, finish);
    }
  }

  template <int T>
  void tileOf(int64_t count, const int16_t* x, const int16_t* y, int64_t quads, int64_t m, int64_t n,
              bool first, bool last) const {
    if constexpr (T > 1) {
      if (count < T) return tileOf<T - 1>(count, x, y, quads, m, n, first, last);
    }
    tile<T>(x, y, quads, m, n, first, last);
  }

  void packBlockRows(int64_t m, int64_t count, int64_t k, int64_t depth, const int16_t* weights) const {
    const int64_t padded = ceilDiv(depth, kPackChannels) * kPackChannels;
    uint8_t line[kPanelRows * kWordDepth];
    for (int64_t r = 0; r < count; r += kPanelRows) {
      const int64_t here = smaller(kPanelRows, count - r);
      packRows(a, m + r, here, k, depth, ChannelOrder{depth, nullptr, nullptr}, line, kWordDepth, buffer);
      for (int64_t i = 0; i < here; i++) {
        wordsOfRow(line + i * kWordDepth, weights, rows + (r + i) * kWordDepth, padded);
      }
    }
  }

  Status run() {
    const int64_t span = smaller(kWordSpan, ceilDiv(N, kPanelRows) * kPanelRows);
    panels = scratch<int16_t>(kScratchWeights, span * kWordDepth);
    rows = scratch<int16_t>(kScratchActivations, smaller(kWordRows, M) * kWordDepth);
    buffer = scratch<uint8_t>(kScratchSums, 2 * kPanelRows * kWordDepth);
    if (panels == nullptr || rows == nullptr || buffer == nullptr) return kNoMemory;
    uint8_t* quads = buffer + kPanelRows * kWordDepth;
    int16_t weights[2][kWordDepth];
    memset(weights, 0, sizeof weights);
    const int16_t* weightsA = shift == nullptr ? nullptr : weights[0];
    for (int64_t n0 = 0; n0 < N; n0 += kWordSpan) {
      const int64_t n1 = smaller(N, n0 + kWordSpan);
      // K = 0 passes once, with no depth, and writes zeros.
      for (int64_t k = 0; k == 0 || k < K; k += kWordDepth) {
        const int64_t depth = smaller(kWordDepth, K - k);
        const int64_t padded = ceilDiv(depth, kPackChannels) * kPackChannels;
        bool splits = false;
        for (int64_t i = 0; shift != nullptr && i < depth; i++) {
          const int64_t whole = shift[k + i] & 31, first = smaller(whole, mostA);
          weights[0][i] = static_cast<int16_t>(1u << first);
          weights[1][i] = static_cast<int16_t>(1u << (whole - first));
          splits = splits || first != whole;
        }
        for (int64_t n = n0; n < n1; n += kPanelRows) {
          packQuads(b, n, smaller(kPanelRows, N - n), k, depth, ChannelOrder{depth, nullptr, nullptr}, quads,
                    buffer);
          wordsOfQuads(quads, splits ? weights[1] : nullptr, panels + (n - n0) * kWordDepth, padded);
        }
        for (int64_t m0 = 0; m0 < M; m0 += kWordRows) {
          const int64_t count = smaller(kWordRows, M - m0);
          packBlockRows(m0, count, k, depth, weightsA);
          for (int64_t n = n0; n < n1; n += kPanelRows) {
            const int16_t* panel = panels + (n - n0) * kWordDepth;
            for (int64_t m = 0; m < count; m += R) {
              tileOf<R>(count - m, rows + m * kWordDepth, panel, ceilDiv(depth, 4), m0 + m, n, k == 0 && !continued,
                        k + kWordDepth >= K);
            }
          }
        }
      }
    }
    return kOk;
  }
};

}  // namespace
