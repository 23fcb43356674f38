// Transpositions on 256-bit vectors, shared by the sets that have them: packing of float32 weights, and the sums of
// the lanes of several vectors at once.
#pragma once

#include <stdint.h>

namespace {

// Four float32 of each of two places, side by side.
inline __m256 pairQuads(const float* a, const float* b) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(a)), _mm_loadu_ps(b), 1);
}

// A block of 4 x 4 float32, rows `stride` floats apart, turned about its diagonal.
inline void transposeQuad4(const float* from, int64_t stride, float* to) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride);
  __m128 c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + 4, b);
  _mm_storeu_ps(to + 8, c);
  _mm_storeu_ps(to + 12, d);
}

// Columns k..k+7 of 16 rows of float32 (`stride` floats apart) to 8 vectors of one column each.
inline void transposeColumns8(const float* from, int64_t stride, float* to, int64_t toStride) {
  for (int half = 0; half < 2; half++) {
    const float* rows = from + half * 8 * stride;
    __m256 a[8], b[8];
    // Rows r and r + 4 share a register, so that the rest stays inside 128-bit halves.
    for (int r = 0; r < 4; r++) {
      const __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(rows + r * stride));
      const __m256 high = _mm256_castps128_ps256(_mm_loadu_ps(rows + r * stride + 4));
      a[r] = _mm256_insertf128_ps(low, _mm_loadu_ps(rows + (r + 4) * stride), 1);
      a[r + 4] = _mm256_insertf128_ps(high, _mm_loadu_ps(rows + (r + 4) * stride + 4), 1);
    }
    for (int q = 0; q < 8; q += 4) {
      b[q] = _mm256_unpacklo_ps(a[q], a[q + 1]);
      b[q + 1] = _mm256_unpackhi_ps(a[q], a[q + 1]);
      b[q + 2] = _mm256_unpacklo_ps(a[q + 2], a[q + 3]);
      b[q + 3] = _mm256_unpackhi_ps(a[q + 2], a[q + 3]);
    }
    for (int q = 0; q < 8; q += 4) {
      float* out = to + half * 8 + q * toStride;
      _mm256_storeu_ps(out, _mm256_shuffle_ps(b[q], b[q + 2], 0x44));
      _mm256_storeu_ps(out + toStride, _mm256_shuffle_ps(b[q], b[q + 2], 0xee));
      _mm256_storeu_ps(out + 2 * toStride, _mm256_shuffle_ps(b[q + 1], b[q + 3], 0x44));
      _mm256_storeu_ps(out + 3 * toStride, _mm256_shuffle_ps(b[q + 1], b[q + 3], 0xee));
    }
  }
}

// Lane i: the sum of the lanes of rows[i].
inline __m256i sumLanes8(const __m256i* rows) {
  const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(rows[0], rows[1]), _mm256_hadd_epi32(rows[2], rows[3]));
  const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(rows[4], rows[5]), _mm256_hadd_epi32(rows[6], rows[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// Lane i: the lanes of rows[i] added in the order of sum16 (distance 4, then 2, then 1).
inline __m256 treeSums8(const __m256* rows) {
  __m256 fours[4], twos[2];
  for (int i = 0; i < 4; i++) {
    const __m256 a = rows[2 * i], b = rows[2 * i + 1];
    fours[i] = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  }
  for (int i = 0; i < 2; i++) {
    const __m256 a = fours[2 * i], b = fours[2 * i + 1];
    twos[i] = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
  }
  const __m256 ones = _mm256_add_ps(_mm256_shuffle_ps(twos[0], twos[1], 0x88), _mm256_shuffle_ps(twos[0], twos[1], 0xdd));
  // Rows 0, 2, 4, 6 lie in the lower half.
  return _mm256_permutevar8x32_ps(ones, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

}  // namespace
