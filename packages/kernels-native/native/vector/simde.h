// AVX-512 by SIMDe, for scripts/test-avx512.sh only: its intrinsics under their own names, and those it lacks.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/avx512/dpbusd.h>
#include <simde/x86/avx512/dpwssd.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <string.h>

namespace {

template <class Vector, class Element>
Vector emulatedLoad(unsigned mask, const void* from) {
  Element lanes[16] = {};
  for (int i = 0; i < 16; i++) {
    if ((mask >> i & 1u) != 0) memcpy(&lanes[i], static_cast<const Element*>(from) + i, 4);
  }
  Vector v;
  memcpy(&v, lanes, 64);
  return v;
}

template <class Vector, class Element>
void emulatedStore(void* to, unsigned mask, Vector v) {
  Element lanes[16];
  memcpy(lanes, &v, 64);
  for (int i = 0; i < 16; i++) {
    if ((mask >> i & 1u) != 0) memcpy(static_cast<Element*>(to) + i, &lanes[i], 4);
  }
}

inline simde__m512 emulatedHalves(simde__m256i v) {
  float lanes[16];
  simde_mm256_storeu_ps(lanes, simde_mm256_cvtph_ps(simde_mm256_castsi256_si128(v)));
  simde_mm256_storeu_ps(lanes + 8, simde_mm256_cvtph_ps(simde_mm256_extracti128_si256(v, 1)));
  return simde_mm512_loadu_ps(lanes);
}

inline simde__m512i emulatedRound(simde__m512 v) {
  float lanes[16];
  int rounded[16];
  simde_mm512_storeu_ps(lanes, v);
  for (int i = 0; i < 16; i++) rounded[i] = simde_mm_cvtss_si32(simde_mm_set_ss(lanes[i]));
  return simde_mm512_loadu_si512(rounded);
}

inline simde__m512 emulatedFloats(simde__m512i v) {
  int lanes[16];
  float floats[16];
  simde_mm512_storeu_si512(lanes, v);
  for (int i = 0; i < 16; i++) floats[i] = static_cast<float>(lanes[i]);
  return simde_mm512_loadu_ps(floats);
}

inline simde__m128i emulatedBytes(simde__m512i v) {
  int lanes[16];
  signed char bytes[16];
  simde_mm512_storeu_si512(lanes, v);
  for (int i = 0; i < 16; i++) bytes[i] = static_cast<signed char>(lanes[i]);
  return simde_mm_loadu_si128(reinterpret_cast<const simde__m128i*>(bytes));
}

}  // namespace

#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(v) emulatedFloats(v)
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8(v) emulatedBytes(v)
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps(mask, p) emulatedLoad<simde__m512, float>(mask, p)
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps(p, mask, v) emulatedStore<simde__m512, float>(p, mask, v)
#undef _mm512_maskz_loadu_epi32
#define _mm512_maskz_loadu_epi32(mask, p) emulatedLoad<simde__m512i, int>(mask, p)
#undef _mm512_mask_storeu_epi32
#define _mm512_mask_storeu_epi32(p, mask, v) emulatedStore<simde__m512i, int>(p, mask, v)
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(v) emulatedHalves(v)
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32(v) emulatedRound(v)
