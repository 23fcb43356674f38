// 16 lanes as one 512-bit vector (AVX-512 F, BW, DQ, VL and VNNI). The operations are those of vector/plain.h, which
// says what each must give. Included only by isa/avx512vnni.cc: everything here has internal linkage, so that no
// other file can be linked to code its CPU may not run.
#pragma once

#ifdef BITLOOM_SIMDE
#include "simde.h"
#define BITLOOM_ANYWHERE "+m"
#else
#include <immintrin.h>
#define BITLOOM_ANYWHERE "+v"
#endif

#include "../common.h"
#include "transpose-avx.h"

namespace {

struct Avx512Vnni {
  using F = __m512;
  using I = __m512i;
  using B = __m512i;
  using H = __m512i;

  static constexpr int panelTokens = 12;
  static constexpr int floatRows = 12;
  static constexpr int floatVectors = 2;

  static __mmask16 first(int64_t count) { return static_cast<__mmask16>((1u << count) - 1u); }

  // --- floats ---------------------------------------------------------------------------------------------------
  BITLOOM_INLINE static F set(float v) { return _mm512_set1_ps(v); }
  BITLOOM_INLINE static F load(const float* p) { return _mm512_loadu_ps(p); }
  BITLOOM_INLINE static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  BITLOOM_INLINE static F loadPart(const float* p, int64_t count) { return _mm512_maskz_loadu_ps(first(count), p); }
  BITLOOM_INLINE static void storePart(float* p, F v, int64_t count) { _mm512_mask_storeu_ps(p, first(count), v); }
  BITLOOM_INLINE static F add(F a, F b) { return _mm512_add_ps(a, b); }
  BITLOOM_INLINE static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  BITLOOM_INLINE static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  BITLOOM_INLINE static F div(F a, F b) { return _mm512_div_ps(a, b); }
  BITLOOM_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  BITLOOM_INLINE static F minimum(F a, F b) { return _mm512_min_ps(a, b); }
  BITLOOM_INLINE static F maximum(F a, F b) { return _mm512_max_ps(a, b); }
  BITLOOM_INLINE static F abs(F a) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)));
  }
  BITLOOM_INLINE static F negate(F a) {
    return _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi32(static_cast<int>(0x80000000u))));
  }
  BITLOOM_INLINE static F zeroWhereLess(F v, F x, F limit) {
    return _mm512_maskz_mov_ps(static_cast<__mmask16>(~_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ)), v);
  }
  BITLOOM_INLINE static F zeroWhereNan(F v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v); }
  BITLOOM_INLINE static F positive(F v) { return _mm512_max_ps(v, _mm512_setzero_ps()); }
  BITLOOM_INLINE static F halves(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
  BITLOOM_INLINE static F swapPairs(F a) { return _mm512_shuffle_ps(a, a, 0xb1); }
  BITLOOM_INLINE static F evenPairs(F a) { return _mm512_shuffle_ps(a, a, 0xa0); }
  BITLOOM_INLINE static F oddPairs(F a) { return _mm512_shuffle_ps(a, a, 0xf5); }
  BITLOOM_INLINE static F addSub(F a, F b) {
    // a + (−b) is a − b in every bit.
    const __m512i signs = _mm512_maskz_set1_epi32(0x5555, static_cast<int>(0x80000000u));
    return _mm512_add_ps(a, _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(b), signs)));
  }
  static __m256 upper(F s) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(s), 1)); }
  BITLOOM_INLINE static float treeSum(F s) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(s), upper(s));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  BITLOOM_INLINE static float maxLane(F s) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(s), upper(s));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  // --- int32 ----------------------------------------------------------------------------------------------------
  BITLOOM_INLINE static I setI(int32_t v) { return _mm512_set1_epi32(v); }
  BITLOOM_INLINE static I loadI(const int32_t* p) { return _mm512_loadu_si512(p); }
  BITLOOM_INLINE static void storeI(int32_t* p, I v) { _mm512_storeu_si512(p, v); }
  BITLOOM_INLINE static I loadPartI(const int32_t* p, int64_t count) { return _mm512_maskz_loadu_epi32(first(count), p); }
  BITLOOM_INLINE static void storePartI(int32_t* p, I v, int64_t count) { _mm512_mask_storeu_epi32(p, first(count), v); }
  BITLOOM_INLINE static I addI(I a, I b) { return _mm512_add_epi32(a, b); }
  BITLOOM_INLINE static F toFloat(I v) { return _mm512_cvtepi32_ps(v); }
  BITLOOM_INLINE static I roundToInt(F v) { return _mm512_cvtps_epi32(v); }
  BITLOOM_INLINE static F scaleByPowerOfTwo(F p, I n) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(n, 23)));
  }
  BITLOOM_INLINE static int32_t sumI(I v) {
    const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
  }
  BITLOOM_INLINE static void storeCodes(int8_t* p, I v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
  }

  BITLOOM_INLINE static I sumRows(const I* rows) {
    __m256i sums[16];
    for (int i = 0; i < 16; i++) {
      sums[i] = _mm256_add_epi32(_mm512_castsi512_si256(rows[i]), _mm512_extracti64x4_epi64(rows[i], 1));
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(sumLanes8(sums)), sumLanes8(sums + 8), 1);
  }
  BITLOOM_INLINE static F treeSums(const F* rows) {
    __m256 sums[16];
    for (int i = 0; i < 16; i++) sums[i] = _mm256_add_ps(_mm512_castps512_ps256(rows[i]), upper(rows[i]));
    const __m512d lower = _mm512_castps_pd(_mm512_castps256_ps512(treeSums8(sums)));
    return _mm512_castpd_ps(_mm512_insertf64x4(lower, _mm256_castps_pd(treeSums8(sums + 8)), 1));
  }

  // --- int16 and bytes ------------------------------------------------------------------------------------------
  BITLOOM_INLINE static H widenBytes(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  BITLOOM_INLINE static H interleaveBytes(const int8_t* a, const int8_t* b) {
    const __m128i even = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
    const __m128i odd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b));
    const __m256i low = _mm256_castsi128_si256(_mm_unpacklo_epi8(even, odd));
    return _mm512_cvtepi8_epi16(_mm256_inserti128_si256(low, _mm_unpackhi_epi8(even, odd), 1));
  }
  BITLOOM_INLINE static H loadH(const int16_t* p) { return _mm512_loadu_si512(p); }
  BITLOOM_INLINE static void storeH(int16_t* p, H v) { _mm512_storeu_si512(p, v); }
  BITLOOM_INLINE static H pairEverywhere(int32_t pair) { return _mm512_set1_epi32(pair); }
  BITLOOM_INLINE static I dot2(I sum, H a, H b) { return _mm512_dpwssd_epi32(sum, a, b); }
  BITLOOM_INLINE static B loadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  BITLOOM_INLINE static void storeBytes(uint8_t* p, B v) { _mm512_storeu_si512(p, v); }
  BITLOOM_INLINE static B andBytes(B a, uint8_t mask) { return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask))); }
  BITLOOM_INLINE static B orBytes(B a, B b) { return _mm512_or_si512(a, b); }
  template <int count>
  BITLOOM_INLINE static B shiftRight(B a) {
    return _mm512_srli_epi16(a, count);
  }
  template <int count>
  BITLOOM_INLINE static B shiftLeft(B a) {
    return _mm512_slli_epi16(a, count);
  }

  BITLOOM_INLINE static B setBytes(uint8_t v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  BITLOOM_INLINE static B flipSigns(B a) { return _mm512_xor_si512(a, _mm512_set1_epi8(static_cast<char>(0x80))); }
  BITLOOM_INLINE static I addDistances(I sum, B a, B b) { return _mm512_add_epi32(sum, _mm512_sad_epu8(a, b)); }
  BITLOOM_INLINE static B countAbove(B counts, B x, B limit) {
    return _mm512_mask_sub_epi8(counts, _mm512_cmpgt_epi8_mask(x, limit), counts, _mm512_set1_epi8(-1));
  }
  BITLOOM_INLINE static H low(B x) { return _mm512_srai_epi16(_mm512_unpacklo_epi8(_mm512_setzero_si512(), x), 1); }
  BITLOOM_INLINE static H high(B x) { return _mm512_srai_epi16(_mm512_unpackhi_epi8(_mm512_setzero_si512(), x), 1); }
  BITLOOM_INLINE static B narrow(H low, H high) { return _mm512_packs_epi16(low, high); }
  BITLOOM_INLINE static H subH(H a, H b) { return _mm512_sub_epi16(a, b); }
  BITLOOM_INLINE static H mulRound(H a, H b) { return _mm512_mulhrs_epi16(a, b); }
  BITLOOM_INLINE static B addSaturated(B a, B b) { return _mm512_adds_epi8(a, b); }
  BITLOOM_INLINE static B maximumBytes(B a, B b) { return _mm512_max_epi8(a, b); }

  // --- limits of the machine ------------------------------------------------------------------------------------
  BITLOOM_INLINE static void keep(I& v) { __asm__ volatile("" : BITLOOM_ANYWHERE(v)); }
  BITLOOM_INLINE static void keep(F& v) { __asm__ volatile("" : BITLOOM_ANYWHERE(v)); }
  BITLOOM_INLINE static I dot4Mix(I sum, B w, B x) { return _mm512_dpbusd_epi32(sum, w, x); }
  BITLOOM_INLINE static I narrowMix(I sum, B w, B x) { return _mm512_dpbusd_epi32(sum, w, x); }
  BITLOOM_INLINE static B bytesOf(I v) { return v; }
  BITLOOM_INLINE static H wordsOf(I v) { return v; }
  BITLOOM_INLINE static I xorI(I a, B b) { return _mm512_xor_si512(a, b); }

  template <int maxCode>
  struct Narrow {
    using Weights = B;
    using Sums = I;
    static constexpr bool direct = true;
    static constexpr int parts = 1;
    static constexpr int64_t stepsPerWiden = int64_t{1} << 40;

    template <int part>
    BITLOOM_INLINE static Weights weights(B codes) {
      return codes;
    }
    static void prepare(uint8_t* to, int64_t, const int8_t* x) { memcpy(to, x, 4); }
    BITLOOM_INLINE static Sums step(Sums s, Weights w, const uint8_t* x) {
      int32_t four;
      memcpy(&four, x, 4);
      return _mm512_dpbusd_epi32(s, w, _mm512_set1_epi32(four));
    }
  };

  struct Wide : Narrow<255> {
    static constexpr int32_t bias = 128;
    template <int part>
    BITLOOM_INLINE static B weights(B codes) { return _mm512_xor_si512(codes, _mm512_set1_epi8(static_cast<char>(0x80))); }
  };

  BITLOOM_INLINE static F quad(const float* p) { return _mm512_broadcast_f32x4(_mm_loadu_ps(p)); }
  BITLOOM_INLINE static F quads(const float* a, const float* b, const float* c, const float* d) {
    const F low = _mm512_castps256_ps512(pairQuads(a, b));
    return _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(low), _mm256_castps_pd(pairQuads(c, d)), 1));
  }
  BITLOOM_INLINE static void addFolded(F s, float* out, bool first) {
    const F halves = _mm512_add_ps(s, _mm512_shuffle_ps(s, s, 0x4e));
    const F sums = _mm512_add_ps(halves, _mm512_shuffle_ps(halves, halves, 0xb1));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    const __m128 folded = _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, sums));
    _mm_storeu_ps(out, first ? folded : _mm_add_ps(_mm_loadu_ps(out), folded));
  }
  BITLOOM_INLINE static void transposeQuad(const float* from, int64_t stride, float* to) {
    transposeQuad4(from, stride, to);
  }
  BITLOOM_INLINE static void transpose8(const float* from, int64_t stride, float* to, int64_t toStride) {
    transposeColumns8(from, stride, to, toStride);
  }
};

}  // namespace
