// Products of bytes by unsigned bytes: codes of b are made unsigned by an offset, which the sums correct by the row
// sums of a. Where the vectors add such products in int16, as many steps are added as the widths of the codes allow;
// where they add in int32 at once, any int8 goes.
//
// Shifts of channels (ShiftQuant): as far as a code of a has room in int8, it is shifted while it is packed; what is left
// groups the channels of a block into classes, which are packed one after the other, the largest shift first. Between
// classes the sums are shifted by the difference, so that a shift costs one instruction per class and output.
#pragma once

#include "gemm-int8-pack.h"
#include "gemm-int8-steps.h"

namespace {

/// Most classes of shifts: those of int32.
constexpr int64_t kMostClasses = 32;
/// Bytes of a packed row: every class may need three channels more to fill a quad, and moves write 16 past the last.
constexpr int64_t kByteStride = kByteDepth + 4 * kMostClasses;
static_assert(kByteStride >= kByteDepth + 3 * kMostClasses + 16, "moves write 16 bytes past the last place");
/// Rows that stay in a second-level cache (under 230 KiB), a multiple of every tile height; columns for the third level.
constexpr int64_t kByteRows = 192;
constexpr int64_t kByteSpan = 1024;

/// What becomes of int32 sums: nothing, or float32 times numbers of rows and columns. Null pointers leave factors out.
struct Finish {
  bool toFloat;
  const uint8_t* rowScale;
  const uint8_t* colScale;
  float scale;

  float factorOf(int64_t m) const {
    float value = scale;
    if (rowScale != nullptr) memcpy(&value, rowScale + m * 4, 4);
    return value;
  }
};

/// Writes sums of 16 columns, of which `lanes` are inside the result; `last`: they are complete.
template <class V>
void storeSums(typename V::I sums, uint8_t* row, int64_t m, int64_t n, int64_t lanes, bool first, bool last,
               const Finish& finish) {
  int32_t* to = reinterpret_cast<int32_t*>(row) + n;
  if (!first) sums = V::addI(sums, lanes == kPanelRows ? V::loadI(to) : V::loadPartI(to, lanes));
  if (!last || !finish.toFloat) {
    if (lanes == kPanelRows) V::storeI(to, sums);
    else V::storePartI(to, sums, lanes);
    return;
  }
  typename V::F value = V::mul(V::toFloat(sums), V::set(finish.factorOf(m)));
  if (finish.colScale != nullptr) {
    const float* scales = reinterpret_cast<const float*>(finish.colScale) + n;
    value = V::mul(value, lanes == kPanelRows ? V::load(scales) : V::loadPart(scales, lanes));
  }
  float* floats = reinterpret_cast<float*>(to);
  if (lanes == kPanelRows) V::store(floats, value);
  else V::storePart(floats, value, lanes);
}

/// row[i] *= weights[i] for `count` bytes, a multiple of 16.
inline void weighRow(uint8_t* row, const int8_t* weights, int64_t count) {
#if defined(__AVX2__)
  for (int64_t k = 0; k < count; k += 16) {
    const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + k)));
    const __m256i weight = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + k)));
    const __m256i product = _mm256_mullo_epi16(words, weight);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(product), _mm256_extracti128_si256(product, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(row + k), bytes);
  }
#else
  for (int64_t k = 0; k < count; k++) row[k] = static_cast<uint8_t>(static_cast<int8_t>(row[k]) * weights[k]);
#endif
}

/// Σ of `count` int8.
inline int32_t sumBytes(const uint8_t* row, int64_t count) {
  int32_t sum = 0;
  int64_t k = 0;
#if defined(__AVX2__)
  __m256i sums = _mm256_setzero_si256();
  const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
  for (; k + 32 <= count; k += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + k));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_xor_si256(bytes, flip), _mm256_setzero_si256()));
  }
  if (k + 16 <= count) {
    const __m128i bytes = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + k)),
                                        _mm256_castsi256_si128(flip));
    sums = _mm256_add_epi64(sums, _mm256_zextsi128_si256(_mm_sad_epu8(bytes, _mm_setzero_si128())));
    k += 16;
  }
  int64_t four[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(four), sums);
  sum = static_cast<int32_t>(four[0] + four[1] + four[2] + four[3] - 128 * k);
#endif
  for (; k < count; k++) sum += static_cast<int8_t>(row[k]);
  return sum;
}

/// bytes[i] += offset.
inline void offsetBytes(uint8_t* bytes, uint8_t offset, int64_t count) {
  int64_t k = 0;
#if defined(__AVX2__)
  const __m256i add = _mm256_set1_epi8(static_cast<char>(offset));
  for (; k + 32 <= count; k += 32) {
    __m256i* at = reinterpret_cast<__m256i*>(bytes + k);
    _mm256_storeu_si256(at, _mm256_add_epi8(_mm256_loadu_si256(at), add));
  }
#endif
  for (; k < count; k++) bytes[k] = static_cast<uint8_t>(bytes[k] + offset);
}

/// The channels of one block by their shifts: an order and runs of it.
struct ShiftPlan {
  struct Run {
    int64_t quads;
    /// Doublings of the sums after it.
    int doublings;
  };
  Run runs[kMostClasses];
  int count;
  /// Places of the order, padding included.
  int64_t places;
  bool ordered, weighed;
  uint16_t order[kByteStride];
  ChannelMoves moves;
  /// 2^(what is shifted while packing) of each place.
  int8_t weights[kByteStride + 16];

  /// @param shift null: none. @param fold how far codes of a can be shifted while they are packed
  void make(const uint8_t* shift, int64_t depth, int fold) {
    count = 1;
    places = depth;
    ordered = weighed = false;
    runs[0] = {ceilDiv(depth, 4), 0};
    if (shift == nullptr || depth == 0) return;
    // Read once: a shift that another thread changes in between must not lead past its class.
    uint8_t shifts[kByteDepth];
    for (int64_t k = 0; k < depth; k++) shifts[k] = shift[k] & 31;
    int64_t ofClass[kMostClasses] = {};
    for (int64_t k = 0; k < depth; k++) ofClass[shifts[k] / (fold + 1)]++;
    int classes = 0, highest = 0;
    for (int c = 0; c < kMostClasses; c++) {
      if (ofClass[c] == 0) continue;
      classes++;
      highest = c;
    }
    memset(weights, 1, sizeof weights);
    if (classes == 1) {
      runs[0].doublings = highest * (fold + 1);
      for (int64_t k = 0; k < depth; k++) weights[k] = static_cast<int8_t>(1 << (shifts[k] % (fold + 1)));
    } else {
      int64_t next[kMostClasses] = {};
      count = 0;
      places = 0;
      for (int c = highest, previous = highest; c >= 0; c--) {
        if (ofClass[c] == 0) continue;
        if (count > 0) runs[count - 1].doublings = (previous - c) * (fold + 1);
        previous = c;
        next[c] = places;
        const int64_t quads = ceilDiv(ofClass[c], 4);
        runs[count++] = {quads, c * (fold + 1)};
        for (int64_t i = places + ofClass[c]; i < places + 4 * quads; i++) order[i] = kNoChannel;
        places += 4 * quads;
      }
      for (int64_t k = 0; k < depth; k++) {
        const int64_t place = next[shifts[k] / (fold + 1)]++;
        order[place] = static_cast<uint16_t>(k);
        weights[place] = static_cast<int8_t>(1 << (shifts[k] % (fold + 1)));
      }
      ordered = true;
      moves.make(order, places);
    }
    for (int64_t i = 0; i < places; i++) weighed = weighed || weights[i] != 1;
  }

  ChannelOrder channels() const { return {places, ordered ? order : nullptr, &moves}; }
};

/// out[m, n] = Σ a·b·2^shift (+ out). `steps` is how many quads may be added before sums are widened. With
/// `signedColumns` (steps 1, no shifts) the offset makes a unsigned instead of b.
template <class V, int steps, bool signedColumns = false>
struct ByteProduct {
  using Dot = typename V::template Narrow<15>;
  static constexpr int R = V::panelTokens;

  int64_t M, N, K, outStride;
  ByteMatrix a, b;
  uint8_t* out;
  bool continued;
  const uint8_t* shift;
  /// How far codes of a may be shifted within their bytes, and what makes codes of b unsigned.
  int fold;
  int32_t offset;
  Finish finish;

  uint8_t* panels;
  uint8_t* rows;
  uint8_t* buffer;
  ShiftPlan plan;
  /// −offset · (sum of the row of a), or of 16 columns of b each for every panel.
  int32_t corrections[kByteRows];
  int32_t columnCorrections[kByteSpan];

  template <int T, int64_t fixed>
  static void chunk(typename V::I* totals, const uint8_t* x, const uint8_t* y, int64_t count) {
    typename Dot::Sums sums[T];
    {
      const typename V::B w = V::loadBytes(y);
#pragma GCC unroll 16
      for (int t = 0; t < T; t++) sums[t] = Dot::first(w, x + t * kByteStride);
    }
    const int64_t quads = fixed > 0 ? fixed : count;
#pragma GCC unroll 2
    for (int64_t q = 1; q < quads; q++) {
      const typename V::B w = V::loadBytes(y + q * kQuadBytes);
#pragma GCC unroll 16
      for (int t = 0; t < T; t++) {
        addQuad<V>(sums[t], w, x + t * kByteStride + q * 4, 0);
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) {
      totals[t] = Dot::widen(totals[t], sums[t]);
    }
  }

  template <int T>
  static void run(typename V::I* totals, const uint8_t* x, const uint8_t* y, int64_t quads) {
    if constexpr (Dot::direct) {
      for (int64_t q = 0; q < quads; q++) {
        const typename V::B w = V::loadBytes(y + q * kQuadBytes);
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) totals[t] = Dot::step(totals[t], w, x + t * kByteStride + q * 4);
      }
    } else if constexpr (steps == 1) {
      for (int64_t q = 0; q < quads; q++) {
        const typename V::B w = V::loadBytes(y + q * kQuadBytes);
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) {
          if constexpr (signedColumns) addWidenedSignedQuad<V>(totals[t], w, x + t * kByteStride + q * 4, 0);
          else addWidenedQuad<V>(totals[t], w, x + t * kByteStride + q * 4, 0);
        }
      }
    } else {
      int64_t q = 0;
      // The usual chunk has a fixed length.
      for (; q + steps <= quads; q += steps) chunk<T, steps>(totals, x + q * 4, y + q * kQuadBytes, steps);
      if (q < quads) chunk<T, 0>(totals, x + q * 4, y + q * kQuadBytes, quads - q);
    }
  }

  template <int T>
  void tile(const uint8_t* x, const uint8_t* y, int64_t m0, int64_t n0, int64_t m, int64_t n, bool first,
            bool last) const {
    typename V::I totals[T];
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) totals[t] = V::setI(0);
    for (int i = 0; i < plan.count; i++) {
      run<T>(totals, x, y, plan.runs[i].quads);
      x += plan.runs[i].quads * 4;
      y += plan.runs[i].quads * kQuadBytes;
      for (int d = 0; d < plan.runs[i].doublings; d++) {
#pragma GCC unroll 16
        for (int t = 0; t < T; t++) totals[t] = V::addI(totals[t], totals[t]);
      }
    }
    const int64_t lanes = smaller(kPanelRows, N - n);
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) {
      typename V::I sums;
      if constexpr (signedColumns) sums = V::addI(totals[t], V::loadI(columnCorrections + (n - n0)));
      else sums = V::addI(totals[t], V::setI(corrections[m + t]));
      storeSums<V>(sums, out + (m0 + m + t) * outStride, m0 + m + t, n, lanes, first, last, finish);
    }
  }

  template <int T>
  void tileOf(int64_t count, const uint8_t* x, const uint8_t* y, int64_t m0, int64_t n0, int64_t m, int64_t n,
              bool first, bool last) const {
    if constexpr (T > 1) {
      if (count < T) return tileOf<T - 1>(count, x, y, m0, n0, m, n, first, last);
    }
    tile<T>(x, y, m0, n0, m, n, first, last);
  }

  /// Rows of a, shifted as far as they have room, and what the offset of b adds to each sum, negated.
  void packBlockRows(int64_t m0, int64_t count, int64_t k, int64_t depth) {
    packRows(a, m0, count, k, depth, plan.channels(), rows, kByteStride, buffer);
    for (int64_t m = 0; m < count; m++) {
      uint8_t* row = rows + m * kByteStride;
      if constexpr (signedColumns) {
        offsetBytes(row, static_cast<uint8_t>(offset), plan.runs[0].quads * 4);
        continue;
      }
      if (plan.weighed) weighRow(row, plan.weights, ceilDiv(plan.places, kPackChannels) * kPackChannels);
      // As unsigned numbers: what wraps here wraps back in the sums.
      uint32_t sum = 0;
      for (int i = 0; i < plan.count; i++) {
        sum += static_cast<uint32_t>(sumBytes(row, plan.runs[i].quads * 4));
        sum <<= plan.runs[i].doublings;
        row += plan.runs[i].quads * 4;
      }
      corrections[m] = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * sum);
    }
  }

  /// −offset · Σ of each of the 16 columns of a panel.
  void sumColumns(const uint8_t* panel, int64_t quads, int32_t* to) const {
    static constexpr uint8_t kOnesBytes[4] = {1, 1, 1, 1};
    typename V::I sums = V::setI(0);
    for (int64_t q = 0; q < quads; q++) {
      addWidenedSignedQuad<V>(sums, V::loadBytes(panel + q * kQuadBytes), kOnesBytes, 0);
    }
    V::storeI(to, sums);
    for (int i = 0; i < kPanelRows; i++) {
      to[i] = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * static_cast<uint32_t>(to[i]));
    }
  }

  Status run() {
    const int64_t span = smaller(kByteSpan, ceilDiv(N, kPanelRows) * kPanelRows);
    panels = scratch<uint8_t>(kScratchWeights, span * kByteStride);
    rows = scratch<uint8_t>(kScratchActivations, ceilDiv(smaller(kByteRows, M), 16) * 16 * kByteStride);
    buffer = scratch<uint8_t>(kScratchSums, kPanelRows * kByteStride);
    if (panels == nullptr || rows == nullptr || buffer == nullptr) return kNoMemory;
    for (int64_t n0 = 0; n0 < N; n0 += kByteSpan) {
      const int64_t n1 = smaller(N, n0 + kByteSpan);
      // K = 0 passes once, with no depth, and writes zeros.
      for (int64_t k = 0; k == 0 || k < K; k += kByteDepth) {
        const int64_t depth = smaller(kByteDepth, K - k);
        plan.make(shift == nullptr ? nullptr : shift + k, depth, fold);
        const int64_t padded = ceilDiv(plan.places, kPackChannels) * kPackChannels;
        for (int64_t n = n0; n < n1; n += kPanelRows) {
          uint8_t* panel = panels + (n - n0) * kByteStride;
          packQuads(b, n, smaller(kPanelRows, N - n), k, depth, plan.channels(), panel, buffer);
          if constexpr (signedColumns) {
            sumColumns(panel, plan.runs[0].quads, columnCorrections + (n - n0));
          } else {
            offsetBytes(panel, static_cast<uint8_t>(offset), padded * kPanelRows);
          }
        }
        const bool last = k + kByteDepth >= K;
        for (int64_t m0 = 0; m0 < M; m0 += kByteRows) {
          const int64_t count = smaller(kByteRows, M - m0);
          packBlockRows(m0, count, k, depth);
          for (int64_t n = n0; n < n1; n += kPanelRows) {
            const uint8_t* panel = panels + (n - n0) * kByteStride;
            for (int64_t m = 0; m < count; m += R) {
              tileOf<R>(count - m, rows + m * kByteStride, panel, m0, n0, m, n, k == 0 && !continued, last);
            }
          }
        }
      }
    }
    return kOk;
  }
};

}  // namespace
