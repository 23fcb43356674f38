// gemmInt8, gemmInt8Scaled, gemmShift and gemmShiftScaled: see IntegerProductKernels of @bitloom/kernels for what they
// compute. Sums are exact integers, so every way gives the same bits; this file chooses the fastest that is exact.
#pragma once

#include "gemm-int8-words.h"

namespace {

/// Smallest and largest number of a matrix.
struct ByteRange {
  int least = 127, most = -128;

  int span() const { return most - least; }
};

/// The range of a matrix of `rows` x `channels`, 0 included because that is what padding adds.
inline ByteRange rangeOf(const ByteMatrix& from, int64_t rows, int64_t channels) {
  const bool contiguous = from.inner == 1;
  const int64_t lines = contiguous ? rows : channels, length = contiguous ? channels : rows;
  int least = 0, most = 0;
  for (int64_t i = 0; i < lines; i++) {
    const uint8_t* line = contiguous ? from.at(i, 0) : from.at(0, i);
    int64_t k = 0;
#if defined(__AVX2__)
    __m256i low = _mm256_setzero_si256(), high = low;
    for (; k + 32 <= length; k += 32) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + k));
      low = _mm256_min_epi8(low, bytes);
      high = _mm256_max_epi8(high, bytes);
    }
    int8_t lows[32], highs[32];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lows), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(highs), high);
    for (int j = 0; j < 32; j++) {
      least = lows[j] < least ? lows[j] : least;
      most = highs[j] > most ? highs[j] : most;
    }
#endif
    for (; k < length; k++) {
      const int value = static_cast<int8_t>(line[k]);
      least = value < least ? value : least;
      most = value > most ? value : most;
    }
    if (most - least > 127) break;
  }
  return {least, most};
}

/// The operands of one call, as every way of computing them takes them.
struct IntegerProduct {
  int64_t M, N, K, outStride;
  ByteMatrix a, b;
  uint8_t* out;
  bool continued;
  Finish finish;

  /// Reads M, N, K at argument `i`, then a and b with two strides each.
  void read(Arguments& args, int i) {
    M = args.size(i);
    N = args.size(i + 1);
    K = args.size(i + 2);
    a = matrix(args, i + 3, M);
    b = matrix(args, i + 6, N);
  }

  ByteMatrix matrix(Arguments& args, int i, int64_t rows) const {
    const int64_t outer = args.whole(i + 1), inner = args.whole(i + 2);
    if (outer != 1 && inner != 1) args.refuse(kBadArgument);
    return {args.place(args.whole(i), K, inner, rows, outer, 1).base, outer, inner};
  }

  void readOut(Arguments& args, int i) {
    outStride = args.whole(i + 1);
    out = args.results(i, M, N * 4).base;
  }

  /// A number per row or column; null where its pointer is 0.
  const uint8_t* scales(Arguments& args, int i, int64_t count) const {
    return args.whole(i) == 0 ? nullptr : args.block(i, count * 4);
  }

  template <class P>
  Status run(P& product) const {
    product.M = M;
    product.N = N;
    product.K = K;
    product.outStride = outStride;
    product.a = a;
    product.b = b;
    product.out = out;
    product.continued = continued;
    product.finish = finish;
    return product.run();
  }

  template <class V, int steps, bool signedColumns = false>
  Status bytes(const uint8_t* shift, int fold, int32_t offset) const {
    ByteProduct<V, steps, signedColumns> product;
    product.shift = shift;
    product.fold = fold;
    product.offset = offset;
    return run(product);
  }

  template <class V>
  Status words(const uint8_t* shift, int64_t mostA) const {
    WordProduct<V> product;
    product.shift = shift;
    product.mostA = mostA;
    return run(product);
  }
};

/// Σ of int8 products. Sums of two products in int16 never saturate where one operand spans no more than 127: it is made
/// unsigned then, and 2·127·128 < 2^15.
template <class V>
Status int8Product(const IntegerProduct& p) {
  if constexpr (V::template Narrow<15>::direct) {
    return p.bytes<V, 1>(nullptr, 0, 128);
  } else {
    const ByteRange a = rangeOf(p.a, p.M, p.K);
    if (a.span() <= 127) return p.bytes<V, 1, true>(nullptr, 0, -a.least);
    const ByteRange b = rangeOf(p.b, p.N, p.K);
    if (b.span() <= 127) return p.bytes<V, 1>(nullptr, 0, -b.least);
    return p.words<V>(nullptr, 0);
  }
}

/// Quads that may be added in int16 before they are widened.
constexpr int kManySteps = 16;
constexpr int kSomeSteps = 8;

template <class V>
Status shiftProduct(const IntegerProduct& p, int bitsA, int bitsB, const uint8_t* shift) {
  const int mostA = (1 << (bitsA - 1)) - 1, mostB = (1 << (bitsB - 1)) - 1;
  int fold = 0;
  if constexpr (V::template Narrow<15>::direct) {
    while (mostA << (fold + 1) <= 127) fold++;
    return p.bytes<V, 1>(shift, fold, mostB);
  } else {
    // A step adds two products of a code of a and a code of b made unsigned, up to 2·mostB.
    const int step = 2 * mostA * 2 * mostB;
    if (bitsB <= 7 && kManySteps * step <= 32767) {
      while (mostA << (fold + 1) <= 127 && kManySteps * step << (fold + 1) <= 32767) fold++;
      return p.bytes<V, kManySteps>(shift, fold, mostB);
    }
    if (bitsB <= 7 && kSomeSteps * step <= 32767) return p.bytes<V, kSomeSteps>(shift, 0, mostB);
    return p.words<V>(shift, 16 - bitsA);
  }
}

/// Arguments: M, N, K, a, aM, aK, b, bN, bK, out, outR, flags.
template <class V>
Status gemmInt8(const Call& call) {
  Arguments args(call);
  IntegerProduct p;
  p.read(args, 0);
  p.readOut(args, 9);
  p.continued = (args.whole(11) & kFlagContinue) != 0;
  p.finish = {false, nullptr, nullptr, 1.0f};
  if (args.status() != kOk || p.M == 0 || p.N == 0) return args.status();
  return int8Product<V>(p);
}

/// Arguments: M, N, K, a, aM, aK, b, bN, bK, rowScale, colScale, out, outR.
template <class V>
Status gemmInt8Scaled(const Call& call) {
  Arguments args(call);
  IntegerProduct p;
  p.read(args, 0);
  p.readOut(args, 11);
  p.continued = false;
  p.finish = {true, p.scales(args, 9, p.M), p.scales(args, 10, p.N), 1.0f};
  if (args.status() != kOk || p.M == 0 || p.N == 0) return args.status();
  return int8Product<V>(p);
}

/// Arguments: bitsA, bitsB, mostShift, M, N, K, a, aM, aK, b, bN, bK, shift, [scale,] out, outR.
template <class V, bool scaled>
Status shiftCall(const Call& call) {
  Arguments args(call);
  IntegerProduct p;
  const int64_t bitsA = args.size(0), bitsB = args.size(1);
  if (bitsA < 2 || bitsA > 8 || bitsB < 2 || bitsB > 8) args.refuse(kBadArgument);
  p.read(args, 3);
  const uint8_t* shift = args.block(12, p.K);
  p.readOut(args, scaled ? 14 : 13);
  p.continued = false;
  p.finish = {scaled, nullptr, nullptr, scaled ? args.scalar(13) : 1.0f};
  if (args.status() != kOk || p.M == 0 || p.N == 0) return args.status();
  return shiftProduct<V>(p, static_cast<int>(bitsA), static_cast<int>(bitsB), shift);
}

template <class V>
Status gemmShift(const Call& call) {
  return shiftCall<V, false>(call);
}

template <class V>
Status gemmShiftScaled(const Call& call) {
  return shiftCall<V, true>(call);
}

}  // namespace
