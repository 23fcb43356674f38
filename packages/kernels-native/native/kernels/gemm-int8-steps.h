// The steps of the register tiles of integer products. For pairs of 256-bit vectors each is one statement of assembler:
// a tile fills all registers, and compilers that move its parts about spill sums or copy them.
#pragma once

#include "../arguments.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX2__)
/// Four bytes of any array.
typedef int32_t AnyWord __attribute__((may_alias));

alignas(32) constexpr int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

template <class V>
inline __attribute__((always_inline)) auto addPair(typename V::I& sum, const typename V::H& b, const int16_t* p, int)
    -> decltype(static_cast<void>(sum.lo)) {
  __m256i x, product;
  __asm__ volatile(
      "vpbroadcastd %4, %0\n\t"
      "vpmaddwd %5, %0, %1\n\t"
      "vpmaddwd %6, %0, %0\n\t"
      "vpaddd %1, %2, %2\n\t"
      "vpaddd %0, %3, %3"
      : "=&x"(x), "=&x"(product), "+x"(sum.lo), "+x"(sum.hi)
      : "m"(*reinterpret_cast<const AnyWord*>(p)), "x"(b.lo), "x"(b.hi));
}

template <class V>
inline __attribute__((always_inline)) auto addQuad(typename V::H& sum, const typename V::B& w, const uint8_t* p, int)
    -> decltype(static_cast<void>(sum.lo)) {
  __m256i four, products;
  __asm__ volatile(
      "vpbroadcastd %4, %0\n\t"
      "vpmaddubsw %0, %5, %1\n\t"
      "vpmaddubsw %0, %6, %0\n\t"
      "vpaddw %1, %2, %2\n\t"
      "vpaddw %0, %3, %3"
      : "=&x"(four), "=&x"(products), "+x"(sum.lo), "+x"(sum.hi)
      : "m"(*reinterpret_cast<const AnyWord*>(p)), "x"(w.lo), "x"(w.hi));
}

template <class V>
inline __attribute__((always_inline)) auto addWidenedQuad(typename V::I& sum, const typename V::B& w, const uint8_t* p,
                                                          int) -> decltype(static_cast<void>(sum.lo)) {
  __m256i four, products;
  __asm__ volatile(
      "vpbroadcastd %4, %0\n\t"
      "vpmaddubsw %0, %5, %1\n\t"
      "vpmaddubsw %0, %6, %0\n\t"
      "vpmaddwd %7, %1, %1\n\t"
      "vpmaddwd %7, %0, %0\n\t"
      "vpaddd %1, %2, %2\n\t"
      "vpaddd %0, %3, %3"
      : "=&x"(four), "=&x"(products), "+x"(sum.lo), "+x"(sum.hi)
      : "m"(*reinterpret_cast<const AnyWord*>(p)), "x"(w.lo), "x"(w.hi),
        "m"(*reinterpret_cast<const __m256i*>(kOnes)));
}

template <class V>
inline __attribute__((always_inline)) auto addWidenedSignedQuad(typename V::I& sum, const typename V::B& w,
                                                                const uint8_t* p, int)
    -> decltype(static_cast<void>(sum.lo)) {
  __m256i four, products;
  __asm__ volatile(
      "vpbroadcastd %4, %0\n\t"
      "vpmaddubsw %5, %0, %1\n\t"
      "vpmaddubsw %6, %0, %0\n\t"
      "vpmaddwd %7, %1, %1\n\t"
      "vpmaddwd %7, %0, %0\n\t"
      "vpaddd %1, %2, %2\n\t"
      "vpaddd %0, %3, %3"
      : "=&x"(four), "=&x"(products), "+x"(sum.lo), "+x"(sum.hi)
      : "m"(*reinterpret_cast<const AnyWord*>(p)), "x"(w.lo), "x"(w.hi),
        "m"(*reinterpret_cast<const __m256i*>(kOnes)));
}
#endif

/// sum += b · (the pair of int16 at p in every lane).
template <class V>
void addPair(typename V::I& sum, const typename V::H& b, const int16_t* p, long) {
  int32_t pair;
  memcpy(&pair, p, 4);
  sum = V::dot2(sum, b, V::pairEverywhere(pair));
}

// Where products of bytes are added in int32 at once, sums are wide from the first step on.

/// sum += w · (the four int8 at p in every lane), w unsigned, in the sums that `Narrow` of the trait has.
template <class V>
void addQuad(typename V::template Narrow<15>::Sums& sum, const typename V::B& w, const uint8_t* p, long) {
  sum = V::template Narrow<15>::step(sum, w, p);
}

/// The same in int32, for vectors whose `Narrow` adds in int16.
template <class V>
void addWidenedQuad(typename V::I& sum, const typename V::B& w, const uint8_t* p, long);

/// And with w signed, the four bytes at p unsigned.
template <class V>
void addWidenedSignedQuad(typename V::I& sum, const typename V::B& w, const uint8_t* p, long);

}  // namespace
