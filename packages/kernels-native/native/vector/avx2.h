// 16 lanes as two 256-bit vectors (AVX2, FMA, F16C). The operations are those of vector/plain.h, which says what
// each must give. Included only by isa/avx2.cc, which is compiled for these instructions: everything here has
// internal linkage, so that no other file can be linked to code its CPU may not run.
#pragma once

#include <immintrin.h>

#include "../common.h"
#include "transpose-avx.h"

namespace {

struct Avx2 {
  struct F {
    __m256 lo, hi;
  };
  struct I {
    __m256i lo, hi;
  };
  /// 64 bytes; lane r is bytes 4r..4r+3.
  struct B {
    __m256i lo, hi;
  };
  /// 32 int16.
  struct H {
    __m256i lo, hi;
  };

  /// Tokens of one register tile of a quantised product: 2 accumulators each, and room for weights and activations.
  static constexpr int panelTokens = 4;
  /// Tile of the float product: rows of x, and vectors of 16 outputs.
  static constexpr int floatRows = 6;
  static constexpr int floatVectors = 1;

  // --- floats ---------------------------------------------------------------------------------------------------
  BITLOOM_INLINE static F set(float v) { return {_mm256_set1_ps(v), _mm256_set1_ps(v)}; }
  BITLOOM_INLINE static F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  BITLOOM_INLINE static void store(float* p, F v) {
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
  }
  /// Mask of the first `count` (0..8) of 8 lanes.
  static __m256i mask8(int64_t count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
  }
  BITLOOM_INLINE static F loadPart(const float* p, int64_t count) {
    // A mask of zeros touches no memory, so p + 8 need not be inside.
    return {_mm256_maskload_ps(p, mask8(count)), _mm256_maskload_ps(p + 8, mask8(count - 8))};
  }
  BITLOOM_INLINE static void storePart(float* p, F v, int64_t count) {
    _mm256_maskstore_ps(p, mask8(count), v.lo);
    _mm256_maskstore_ps(p + 8, mask8(count - 8), v.hi);
  }
  BITLOOM_INLINE static F add(F a, F b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F sub(F a, F b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F mul(F a, F b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F div(F a, F b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
  BITLOOM_INLINE static F minimum(F a, F b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F maximum(F a, F b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static F abs(F a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
  }
  BITLOOM_INLINE static F negate(F a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_xor_ps(sign, a.lo), _mm256_xor_ps(sign, a.hi)};
  }
  BITLOOM_INLINE static F zeroWhereLess(F v, F x, F limit) {
    return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ), v.lo),
            _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ), v.hi)};
  }
  BITLOOM_INLINE static F zeroWhereNan(F v) {
    return {_mm256_and_ps(_mm256_cmp_ps(v.lo, v.lo, _CMP_ORD_Q), v.lo),
            _mm256_and_ps(_mm256_cmp_ps(v.hi, v.hi, _CMP_ORD_Q), v.hi)};
  }
  BITLOOM_INLINE static F positive(F v) {
    const __m256 zero = _mm256_setzero_ps();
    // max(v, 0) gives its second operand for NaN and for equal zeros.
    return {_mm256_max_ps(v.lo, zero), _mm256_max_ps(v.hi, zero)};
  }
  BITLOOM_INLINE static F halves(const void* p) {
    const __m128i* from = static_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from + 1))};
  }
  BITLOOM_INLINE static F quad(const float* p) {
    const __m256 four = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
    return {four, four};
  }
  BITLOOM_INLINE static F quads(const float* a, const float* b, const float* c, const float* d) {
    return {pairQuads(a, b), pairQuads(c, d)};
  }
  BITLOOM_INLINE static void addFolded(F s, float* out, bool first) {
    // Quarters (0, 2) below, (1, 3) above: s0 + s2 and s1 + s3 of each, then their sum.
    const __m256 halves = _mm256_add_ps(_mm256_shuffle_ps(s.lo, s.hi, 0x44), _mm256_shuffle_ps(s.lo, s.hi, 0xee));
    const __m256 sums = _mm256_add_ps(_mm256_shuffle_ps(halves, halves, 0x88), _mm256_shuffle_ps(halves, halves, 0xdd));
    const __m128 folded = _mm_unpacklo_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    _mm_storeu_ps(out, first ? folded : _mm_add_ps(_mm_loadu_ps(out), folded));
  }
  BITLOOM_INLINE static void transposeQuad(const float* from, int64_t stride, float* to) {
    transposeQuad4(from, stride, to);
  }
  BITLOOM_INLINE static F swapPairs(F a) { return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)}; }
  BITLOOM_INLINE static F evenPairs(F a) { return {_mm256_moveldup_ps(a.lo), _mm256_moveldup_ps(a.hi)}; }
  BITLOOM_INLINE static F oddPairs(F a) { return {_mm256_movehdup_ps(a.lo), _mm256_movehdup_ps(a.hi)}; }
  BITLOOM_INLINE static F addSub(F a, F b) { return {_mm256_addsub_ps(a.lo, b.lo), _mm256_addsub_ps(a.hi, b.hi)}; }
  BITLOOM_INLINE static float treeSum(F s) {
    const __m256 eight = _mm256_add_ps(s.lo, s.hi);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  BITLOOM_INLINE static float maxLane(F s) {
    const __m256 eight = _mm256_max_ps(s.lo, s.hi);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  // --- int32 ----------------------------------------------------------------------------------------------------
  BITLOOM_INLINE static I setI(int32_t v) { return {_mm256_set1_epi32(v), _mm256_set1_epi32(v)}; }
  BITLOOM_INLINE static I loadI(const int32_t* p) {
    const __m256i* from = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  BITLOOM_INLINE static void storeI(int32_t* p, I v) {
    __m256i* to = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(to, v.lo);
    _mm256_storeu_si256(to + 1, v.hi);
  }
  BITLOOM_INLINE static I loadPartI(const int32_t* p, int64_t count) {
    return {_mm256_maskload_epi32(p, mask8(count)), _mm256_maskload_epi32(p + 8, mask8(count - 8))};
  }
  BITLOOM_INLINE static void storePartI(int32_t* p, I v, int64_t count) {
    _mm256_maskstore_epi32(p, mask8(count), v.lo);
    _mm256_maskstore_epi32(p + 8, mask8(count - 8), v.hi);
  }
  BITLOOM_INLINE static I addI(I a, I b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
  BITLOOM_INLINE static F toFloat(I v) { return {_mm256_cvtepi32_ps(v.lo), _mm256_cvtepi32_ps(v.hi)}; }
  BITLOOM_INLINE static I roundToInt(F v) { return {_mm256_cvtps_epi32(v.lo), _mm256_cvtps_epi32(v.hi)}; }
  BITLOOM_INLINE static F scaleByPowerOfTwo(F p, I n) {
    return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p.lo), _mm256_slli_epi32(n.lo, 23))),
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p.hi), _mm256_slli_epi32(n.hi, 23)))};
  }
  BITLOOM_INLINE static int32_t sumI(I v) {
    const __m256i eight = _mm256_add_epi32(v.lo, v.hi);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
  }
  BITLOOM_INLINE static void storeCodes(int8_t* p, I v) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.lo, v.hi), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }

  BITLOOM_INLINE static I sumRows(const I* rows) {
    __m256i sums[16];
    for (int i = 0; i < 16; i++) sums[i] = _mm256_add_epi32(rows[i].lo, rows[i].hi);
    return {sumLanes8(sums), sumLanes8(sums + 8)};
  }
  BITLOOM_INLINE static F treeSums(const F* rows) {
    __m256 sums[16];
    for (int i = 0; i < 16; i++) sums[i] = _mm256_add_ps(rows[i].lo, rows[i].hi);
    return {treeSums8(sums), treeSums8(sums + 8)};
  }

  // --- int16 and bytes ------------------------------------------------------------------------------------------
  BITLOOM_INLINE static H widenBytes(const int8_t* p) {
    const __m128i* from = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(from)), _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1))};
  }
  BITLOOM_INLINE static H interleaveBytes(const int8_t* a, const int8_t* b) {
    const __m128i even = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i odd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    return {_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(even, odd)), _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(even, odd))};
  }
  BITLOOM_INLINE static H loadH(const int16_t* p) {
    const __m256i* from = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  BITLOOM_INLINE static void storeH(int16_t* p, H v) {
    __m256i* to = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(to, v.lo);
    _mm256_storeu_si256(to + 1, v.hi);
  }
  BITLOOM_INLINE static H pairEverywhere(int32_t pair) { return {_mm256_set1_epi32(pair), _mm256_set1_epi32(pair)}; }
  BITLOOM_INLINE static I dot2(I sum, H a, H b) {
    return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(a.lo, b.lo)),
            _mm256_add_epi32(sum.hi, _mm256_madd_epi16(a.hi, b.hi))};
  }
  BITLOOM_INLINE static B loadBytes(const uint8_t* p) {
    const __m256i* from = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  BITLOOM_INLINE static void storeBytes(uint8_t* p, B v) {
    __m256i* to = reinterpret_cast<__m256i*>(p);
    _mm256_storeu_si256(to, v.lo);
    _mm256_storeu_si256(to + 1, v.hi);
  }
  BITLOOM_INLINE static B andBytes(B a, uint8_t mask) {
    const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
    return {_mm256_and_si256(a.lo, m), _mm256_and_si256(a.hi, m)};
  }
  BITLOOM_INLINE static B orBytes(B a, B b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
  /// Each 16-bit half shifted as a whole: mask the bits that came from the neighbour afterwards.
  template <int count>
  BITLOOM_INLINE static B shiftRight(B a) {
    return {_mm256_srli_epi16(a.lo, count), _mm256_srli_epi16(a.hi, count)};
  }
  template <int count>
  BITLOOM_INLINE static B shiftLeft(B a) {
    return {_mm256_slli_epi16(a.lo, count), _mm256_slli_epi16(a.hi, count)};
  }

  BITLOOM_INLINE static B setBytes(uint8_t v) {
    const __m256i all = _mm256_set1_epi8(static_cast<char>(v));
    return {all, all};
  }
  BITLOOM_INLINE static B flipSigns(B a) {
    const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
    return {_mm256_xor_si256(a.lo, sign), _mm256_xor_si256(a.hi, sign)};
  }
  BITLOOM_INLINE static I addDistances(I sum, B a, B b) {
    return {_mm256_add_epi32(sum.lo, _mm256_sad_epu8(a.lo, b.lo)), _mm256_add_epi32(sum.hi, _mm256_sad_epu8(a.hi, b.hi))};
  }
  BITLOOM_INLINE static B countAbove(B counts, B x, B limit) {
    // A comparison that holds gives −1.
    return {_mm256_sub_epi8(counts.lo, _mm256_cmpgt_epi8(x.lo, limit.lo)),
            _mm256_sub_epi8(counts.hi, _mm256_cmpgt_epi8(x.hi, limit.hi))};
  }
  BITLOOM_INLINE static H low(B x) {
    const __m256i zero = _mm256_setzero_si256();
    return {_mm256_srai_epi16(_mm256_unpacklo_epi8(zero, x.lo), 1), _mm256_srai_epi16(_mm256_unpacklo_epi8(zero, x.hi), 1)};
  }
  BITLOOM_INLINE static H high(B x) {
    const __m256i zero = _mm256_setzero_si256();
    return {_mm256_srai_epi16(_mm256_unpackhi_epi8(zero, x.lo), 1), _mm256_srai_epi16(_mm256_unpackhi_epi8(zero, x.hi), 1)};
  }
  BITLOOM_INLINE static B narrow(H low, H high) {
    return {_mm256_packs_epi16(low.lo, high.lo), _mm256_packs_epi16(low.hi, high.hi)};
  }
  BITLOOM_INLINE static H subH(H a, H b) { return {_mm256_sub_epi16(a.lo, b.lo), _mm256_sub_epi16(a.hi, b.hi)}; }
  BITLOOM_INLINE static H mulRound(H a, H b) { return {_mm256_mulhrs_epi16(a.lo, b.lo), _mm256_mulhrs_epi16(a.hi, b.hi)}; }
  BITLOOM_INLINE static B addSaturated(B a, B b) { return {_mm256_adds_epi8(a.lo, b.lo), _mm256_adds_epi8(a.hi, b.hi)}; }
  BITLOOM_INLINE static B maximumBytes(B a, B b) { return {_mm256_max_epi8(a.lo, b.lo), _mm256_max_epi8(a.hi, b.hi)}; }

  /// Products of unsigned codes 0..maxCode with int8: maddubs gives sums of two products in int16, as many of which
  /// are added as cannot overflow, whatever the activations.
  template <int maxCode>
  struct Narrow {
    using Weights = B;
    using Sums = H;
    static constexpr bool direct = false;
    static constexpr int parts = 1;
    static constexpr int64_t stepsPerWiden = 32767 / (2 * 128 * maxCode);
    static_assert(stepsPerWiden >= 1, "codes too large for sums of two products in int16");

    template <int part>
    BITLOOM_INLINE static Weights weights(B codes) {
      return codes;
    }
    static void prepare(uint8_t* to, int64_t, const int8_t* x) { memcpy(to, x, 4); }
    BITLOOM_INLINE static Sums first(Weights w, const uint8_t* x) {
      const __m256i four = fourEverywhere(x);
      return {_mm256_maddubs_epi16(w.lo, four), _mm256_maddubs_epi16(w.hi, four)};
    }
    BITLOOM_INLINE static Sums step(Sums s, Weights w, const uint8_t* x) {
      const __m256i four = fourEverywhere(x);
      return {_mm256_add_epi16(s.lo, _mm256_maddubs_epi16(w.lo, four)),
              _mm256_add_epi16(s.hi, _mm256_maddubs_epi16(w.hi, four))};
    }
    BITLOOM_INLINE static I widen(I total, Sums s) {
      const __m256i ones = _mm256_set1_epi16(1);
      return {_mm256_add_epi32(total.lo, _mm256_madd_epi16(s.lo, ones)),
              _mm256_add_epi32(total.hi, _mm256_madd_epi16(s.hi, ones))};
    }
  };

  /// Products of signed 8-bit codes with int8, through int16: maddubs would saturate or need |x| < 128. A quad is split
  /// into its even and its odd columns, and the activations are laid out to match.
  struct Wide {
    using Weights = B;
    using Sums = I;
    static constexpr bool direct = true;
    static constexpr int parts = 2;
    static constexpr int64_t stepsPerWiden = int64_t{1} << 40;
    static constexpr int32_t bias = 0;

    template <int part>
    BITLOOM_INLINE static Weights weights(B codes) {
      if constexpr (part == 0) {
        codes.lo = _mm256_slli_epi16(codes.lo, 8);
        codes.hi = _mm256_slli_epi16(codes.hi, 8);
      }
      return {_mm256_srai_epi16(codes.lo, 8), _mm256_srai_epi16(codes.hi, 8)};
    }
    static void prepare(uint8_t* to, int64_t stride, const int8_t* x) {
      const int16_t even[2] = {x[0], x[2]}, odd[2] = {x[1], x[3]};
      memcpy(to, even, 4);
      memcpy(to + stride, odd, 4);
    }
    BITLOOM_INLINE static Sums step(Sums s, Weights w, const uint8_t* x) {
      const __m256i two = fourEverywhere(x);
      return {_mm256_add_epi32(s.lo, _mm256_madd_epi16(w.lo, two)),
              _mm256_add_epi32(s.hi, _mm256_madd_epi16(w.hi, two))};
    }
  };

  // --- limits of the machine ------------------------------------------------------------------------------------
  BITLOOM_INLINE static void keep(I& v) { __asm__ volatile("" : "+x"(v.lo), "+x"(v.hi)); }
  BITLOOM_INLINE static void keep(B& v) { __asm__ volatile("" : "+x"(v.lo), "+x"(v.hi)); }
  BITLOOM_INLINE static void keep(H& v) { __asm__ volatile("" : "+x"(v.lo), "+x"(v.hi)); }
  BITLOOM_INLINE static void keep(F& v) { __asm__ volatile("" : "+x"(v.lo), "+x"(v.hi)); }
  BITLOOM_INLINE static I dot4Mix(I sum, B w, B x) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(_mm256_maddubs_epi16(w.lo, x.lo), ones)),
            _mm256_add_epi32(sum.hi, _mm256_madd_epi16(_mm256_maddubs_epi16(w.hi, x.hi), ones))};
  }
  BITLOOM_INLINE static I narrowMix(I sum, B w, B x) {
    return {_mm256_add_epi16(sum.lo, _mm256_maddubs_epi16(w.lo, x.lo)),
            _mm256_add_epi16(sum.hi, _mm256_maddubs_epi16(w.hi, x.hi))};
  }
  BITLOOM_INLINE static B bytesOf(I v) { return {v.lo, v.hi}; }
  BITLOOM_INLINE static H wordsOf(I v) { return {v.lo, v.hi}; }
  BITLOOM_INLINE static I xorI(I a, B b) { return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)}; }

  /// Four bytes at p in every 32-bit lane.
  static __m256i fourEverywhere(const uint8_t* p) {
    int32_t four;
    memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }

  BITLOOM_INLINE static void transpose8(const float* from, int64_t stride, float* to, int64_t toStride) {
    transposeColumns8(from, stride, to, toStride);
  }
};

}  // namespace
