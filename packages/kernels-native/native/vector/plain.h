// 16 lanes as arrays: runs anywhere, and says what each operation of a vector trait must give. It has the lanes of
// the widest set (AVX-512), so that a machine without it still tests the algorithm of every kernel.
#pragma once

#include <math.h>

#include "../common.h"

namespace {

#define LANES for (int i = 0; i < 16; i++)

struct Plain {
  /// 16 float32.
  struct F {
    float v[16];
  };
  /// 16 int32; sums wrap.
  struct I {
    int32_t v[16];
  };
  /// 64 bytes; lane r is bytes 4r..4r+3.
  struct B {
    uint8_t v[64];
  };
  /// 32 int16; lane r is elements 2r and 2r + 1.
  struct H {
    int16_t v[32];
  };

  static constexpr int panelTokens = 4;
  static constexpr int floatRows = 4;
  static constexpr int floatVectors = 1;

  template <class Function>
  static F each(Function f) {
    F out;
    LANES out.v[i] = f(i);
    return out;
  }
  template <class Function>
  static I eachI(Function f) {
    I out;
    LANES out.v[i] = f(i);
    return out;
  }

  // --- floats ---------------------------------------------------------------------------------------------------
  static F set(float v) {
    return each([&](int) { return v; });
  }
  static F load(const float* p) {
    F out;
    memcpy(out.v, p, 64);
    return out;
  }
  static void store(float* p, const F& v) { memcpy(p, v.v, 64); }
  /// The first `count` (0..16) lanes, the others +0; nothing else is read.
  static F loadPart(const float* p, int64_t count) {
    F out{};
    memcpy(out.v, p, static_cast<size_t>(count) * 4);
    return out;
  }
  static void storePart(float* p, const F& v, int64_t count) { memcpy(p, v.v, static_cast<size_t>(count) * 4); }
  static F add(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  static F sub(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  static F mul(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  static F div(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] / b.v[i]; });
  }
  /// a·b + c, for the float product only: sets without a fused operation round twice.
  static F fma(const F& a, const F& b, const F& c) { return add(mul(a, b), c); }
  /// The second operand where either is NaN or both are equal.
  static F minimum(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static F maximum(const F& a, const F& b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static F abs(const F& a) {
    return each([&](int i) { return fabsf(a.v[i]); });
  }
  static F negate(const F& a) {
    return each([&](int i) { return -a.v[i]; });
  }
  /// v, but +0 where x < limit.
  static F zeroWhereLess(const F& v, const F& x, const F& limit) {
    return each([&](int i) { return x.v[i] < limit.v[i] ? 0.0f : v.v[i]; });
  }
  static F zeroWhereNan(const F& v) {
    return each([&](int i) { return v.v[i] == v.v[i] ? v.v[i] : 0.0f; });
  }
  /// v where v > 0, else +0.
  static F positive(const F& v) {
    return each([&](int i) { return v.v[i] > 0 ? v.v[i] : 0.0f; });
  }
  /// 16 fp16 numbers to float32, exactly.
  static F halves(const void* p) {
    uint16_t bits[16];
    memcpy(bits, p, 32);
    return each([&](int i) { return half(bits[i]); });
  }
  static float half(uint32_t bits) {
    const uint32_t sign = (bits & 0x8000u) << 16;
    const uint32_t magnitude = bits & 0x7fffu;
    if (magnitude < 0x400u) {  // zero and subnormals: a count of 2^-24
      const float value = static_cast<float>(magnitude) * 0x1p-24f;
      return sign != 0 ? -value : value;
    }
    // Infinity and NaN keep their exponent of all ones.
    const uint32_t exponent = magnitude >= 0x7c00u ? (255u - 31u) << 23 : (127u - 15u) << 23;
    const uint32_t word = sign | ((magnitude << 13) + exponent);
    float value;
    memcpy(&value, &word, 4);
    return value;
  }
  /// Lanes 2i and 2i + 1 exchanged.
  /// Four float32 in each quarter.
  static F quad(const float* p) {
    return each([&](int i) { return p[i % 4]; });
  }
  /// Four float32 of each of four places, side by side.
  static F quads(const float* a, const float* b, const float* c, const float* d) {
    const float* places[4] = {a, b, c, d};
    return each([&](int i) { return places[i / 4][i % 4]; });
  }
  /// (s0 + s2) + (s1 + s3) of each quarter, put to four float32, or added to what they are.
  static void addFolded(const F& s, float* out, bool first) {
    for (int q = 0; q < 4; q++) {
      const float sum = (s.v[q * 4] + s.v[q * 4 + 2]) + (s.v[q * 4 + 1] + s.v[q * 4 + 3]);
      out[q] = first ? sum : out[q] + sum;
    }
  }
  /// A block of 4 x 4 float32, rows `stride` floats apart, turned about its diagonal.
  static void transposeQuad(const float* from, int64_t stride, float* to) {
    LANES to[i] = from[(i % 4) * stride + i / 4];
  }
  static F swapPairs(const F& a) {
    return each([&](int i) { return a.v[i ^ 1]; });
  }
  /// Lane 2i in lanes 2i and 2i + 1.
  static F evenPairs(const F& a) {
    return each([&](int i) { return a.v[i & ~1]; });
  }
  static F oddPairs(const F& a) {
    return each([&](int i) { return a.v[i | 1]; });
  }
  /// a − b in even lanes, a + b in odd ones.
  static F addSub(const F& a, const F& b) {
    return each([&](int i) { return i % 2 == 0 ? a.v[i] - b.v[i] : a.v[i] + b.v[i]; });
  }
  /// The fixed tree of `sum16`.
  static float treeSum(F s) {
    for (int width = 8; width >= 1; width /= 2) {
      for (int i = 0; i < width; i++) s.v[i] += s.v[i + width];
    }
    return s.v[0];
  }
  /// The largest of 16 numbers, none of them NaN.
  static float maxLane(const F& s) {
    float most = s.v[0];
    for (float value : s.v) most = value > most ? value : most;
    return most;
  }

  // --- int32 ----------------------------------------------------------------------------------------------------
  static int32_t wrap(uint32_t v) { return static_cast<int32_t>(v); }
  static I setI(int32_t v) {
    return eachI([&](int) { return v; });
  }
  static I loadI(const int32_t* p) {
    I out;
    memcpy(out.v, p, 64);
    return out;
  }
  static void storeI(int32_t* p, const I& v) { memcpy(p, v.v, 64); }
  static I loadPartI(const int32_t* p, int64_t count) {
    I out{};
    memcpy(out.v, p, static_cast<size_t>(count) * 4);
    return out;
  }
  static void storePartI(int32_t* p, const I& v, int64_t count) {
    memcpy(p, v.v, static_cast<size_t>(count) * 4);
  }
  static I addI(const I& a, const I& b) {
    return eachI([&](int i) { return wrap(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i])); });
  }
  static F toFloat(const I& v) {
    return each([&](int i) { return static_cast<float>(v.v[i]); });
  }
  /// Nearest integer, ties to even, for |v| < 2^22; anything for others, NaN among them.
  static I roundToInt(const F& v) {
    return eachI([&](int i) {
      // Adding 1.5·2^23 leaves the rounded number in the low bits of the significand.
      const float shifted = v.v[i] + 12582912.0f;
      int32_t word;
      memcpy(&word, &shifted, 4);
      return word - 0x4b400000;
    });
  }
  /// p·2^n by the exponent field, for results that are normal numbers.
  static F scaleByPowerOfTwo(const F& p, const I& n) {
    F out;
    LANES {
      uint32_t word;
      memcpy(&word, &p.v[i], 4);
      word += static_cast<uint32_t>(n.v[i]) << 23;
      memcpy(&out.v[i], &word, 4);
    }
    return out;
  }
  static int32_t sumI(const I& v) {
    uint32_t sum = 0;
    for (int32_t value : v.v) sum += static_cast<uint32_t>(value);
    return wrap(sum);
  }
  /// The lanes as 16 int8, which they fit.
  static void storeCodes(int8_t* p, const I& v) { LANES p[i] = static_cast<int8_t>(v.v[i]); }

  /// Lane i: sumI of rows[i].
  static I sumRows(const I* rows) {
    return eachI([&](int i) { return sumI(rows[i]); });
  }
  /// Lane i: treeSum of rows[i].
  static F treeSums(const F* rows) {
    return each([&](int i) { return treeSum(rows[i]); });
  }

  // --- int16 and bytes ------------------------------------------------------------------------------------------
  /// 32 int8 to int16.
  static H widenBytes(const int8_t* p) {
    H out;
    for (int i = 0; i < 32; i++) out.v[i] = p[i];
    return out;
  }
  /// 16 int8 of each row as int16: lane i holds (a[i], b[i]).
  static H interleaveBytes(const int8_t* a, const int8_t* b) {
    H out;
    LANES {
      out.v[2 * i] = a[i];
      out.v[2 * i + 1] = b[i];
    }
    return out;
  }
  static H loadH(const int16_t* p) {
    H out;
    memcpy(out.v, p, 64);
    return out;
  }
  static void storeH(int16_t* p, const H& v) { memcpy(p, v.v, 64); }
  /// Two int16, the first in the low half, in every lane.
  static H pairEverywhere(int32_t pair) {
    H out;
    LANES {
      out.v[2 * i] = static_cast<int16_t>(pair & 0xffff);
      out.v[2 * i + 1] = static_cast<int16_t>(static_cast<uint32_t>(pair) >> 16);
    }
    return out;
  }
  /// sum + a[2i]·b[2i] + a[2i+1]·b[2i+1] in lane i.
  static I dot2(const I& sum, const H& a, const H& b) {
    return eachI([&](int i) {
      const int32_t pair = a.v[2 * i] * b.v[2 * i] + a.v[2 * i + 1] * b.v[2 * i + 1];
      return wrap(static_cast<uint32_t>(sum.v[i]) + static_cast<uint32_t>(pair));
    });
  }
  static B loadBytes(const uint8_t* p) {
    B out;
    memcpy(out.v, p, 64);
    return out;
  }
  static void storeBytes(uint8_t* p, const B& v) { memcpy(p, v.v, 64); }
  static B andBytes(B a, uint8_t mask) {
    for (uint8_t& byte : a.v) byte &= mask;
    return a;
  }
  static B orBytes(B a, const B& b) {
    for (int i = 0; i < 64; i++) a.v[i] |= b.v[i];
    return a;
  }
  /// Each byte shifted; other sets let bits of the neighbour in, so mask afterwards.
  template <int count>
  static B shiftRight(B a) {
    for (uint8_t& byte : a.v) byte = static_cast<uint8_t>(byte >> count);
    return a;
  }
  template <int count>
  static B shiftLeft(B a) {
    for (uint8_t& byte : a.v) byte = static_cast<uint8_t>(byte << count);
    return a;
  }

  static B setBytes(uint8_t v) {
    B out;
    memset(out.v, v, 64);
    return out;
  }
  /// int8 to unsigned bytes in the same order, and back.
  static B flipSigns(B a) {
    for (uint8_t& byte : a.v) byte ^= 0x80;
    return a;
  }
  /// sum and Σ|a − b| of unsigned bytes, spread over the lanes in a way of each set.
  static I addDistances(I sum, const B& a, const B& b) {
    for (int i = 0; i < 64; i++) sum.v[i / 4] += a.v[i] > b.v[i] ? a.v[i] - b.v[i] : b.v[i] - a.v[i];
    return sum;
  }
  /// One more in each byte where x > limit as int8.
  static B countAbove(B counts, const B& x, const B& limit) {
    for (int i = 0; i < 64; i++) counts.v[i] += static_cast<int8_t>(x.v[i]) > static_cast<int8_t>(limit.v[i]) ? 1 : 0;
    return counts;
  }
  /// 128·x of the int8 in the eighths 0, 2, 4 and 6.
  static H low(const B& x) {
    H out;
    for (int i = 0; i < 32; i++) out.v[i] = static_cast<int16_t>(static_cast<int8_t>(x.v[i / 8 * 16 + i % 8]) * 128);
    return out;
  }
  /// The same of the others.
  static H high(const B& x) {
    H out;
    for (int i = 0; i < 32; i++) out.v[i] = static_cast<int16_t>(static_cast<int8_t>(x.v[i / 8 * 16 + 8 + i % 8]) * 128);
    return out;
  }
  /// The elements of low() and high() as int8, saturated, where they came from.
  static B narrow(const H& low, const H& high) {
    B out;
    for (int i = 0; i < 32; i++) {
      out.v[i / 8 * 16 + i % 8] = saturated(low.v[i]);
      out.v[i / 8 * 16 + 8 + i % 8] = saturated(high.v[i]);
    }
    return out;
  }
  static uint8_t saturated(int v) { return static_cast<uint8_t>(v < -128 ? -128 : (v > 127 ? 127 : v)); }
  /// a − b, which fits.
  static H subH(H a, const H& b) {
    for (int i = 0; i < 32; i++) a.v[i] = static_cast<int16_t>(a.v[i] - b.v[i]);
    return a;
  }
  /// (a·b + 2^14) >> 15; not both −32768.
  static H mulRound(H a, const H& b) {
    for (int i = 0; i < 32; i++) a.v[i] = static_cast<int16_t>((a.v[i] * b.v[i] + (1 << 14)) >> 15);
    return a;
  }
  /// Sums and maxima of int8.
  static B addSaturated(B a, const B& b) {
    for (int i = 0; i < 64; i++) a.v[i] = saturated(static_cast<int8_t>(a.v[i]) + static_cast<int8_t>(b.v[i]));
    return a;
  }
  static B maximumBytes(B a, const B& b) {
    for (int i = 0; i < 64; i++) a.v[i] = static_cast<int8_t>(a.v[i]) > static_cast<int8_t>(b.v[i]) ? a.v[i] : b.v[i];
    return a;
  }

  /// sum + Σ of four products of unsigned weights and signed activations, as the instruction vpdpbusd.
  static I dot4(const I& sum, const B& w, const uint8_t* x) {
    return eachI([&](int i) {
      int32_t four = 0;
      for (int j = 0; j < 4; j++) four += w.v[4 * i + j] * static_cast<int8_t>(x[j]);
      return wrap(static_cast<uint32_t>(sum.v[i]) + static_cast<uint32_t>(four));
    });
  }

  // --- limits of the machine ------------------------------------------------------------------------------------
  /// Makes the compiler believe that v has changed.
  static void keep(I& v) { __asm__ volatile("" : "+m"(v)); }
  static void keep(B& v) { __asm__ volatile("" : "+m"(v)); }
  static void keep(F& v) { __asm__ volatile("" : "+m"(v)); }
  /// The cheapest mix of this set that adds products of four unsigned and signed bytes to each lane.
  static I dot4Mix(const I& sum, const B& w, const B& x) {
    return eachI([&](int i) {
      int32_t four = 0;
      for (int j = 4 * i; j < 4 * i + 4; j++) four += w.v[j] * static_cast<int8_t>(x.v[j]);
      return wrap(static_cast<uint32_t>(sum.v[i]) + static_cast<uint32_t>(four));
    });
  }
  /// The same where codes are so small that sums may rest in 16 bits.
  static I narrowMix(const I& sum, const B& w, const B& x) { return dot4Mix(sum, w, x); }
  static B bytesOf(const I& v) {
    B out;
    memcpy(out.v, v.v, 64);
    return out;
  }
  static H wordsOf(const I& v) {
    H out;
    memcpy(out.v, v.v, 64);
    return out;
  }
  static I xorI(I a, const B& b) {
    LANES {
      int32_t word;
      memcpy(&word, b.v + 4 * i, 4);
      a.v[i] ^= word;
    }
    return a;
  }

#undef LANES

  /// Products of unsigned codes 0..maxCode with int8.
  ///
  /// A quad (four columns of 16 rows) is multiplied in `parts` steps: weights<part> is what the codes become for one,
  /// and a step takes four bytes of activations, which prepare() writes for each part, `stride` bytes apart. With one
  /// part they are the int8 themselves. Sums are accumulated over at most stepsPerWiden steps and then added to a total
  /// by widen(); where `direct`, sums are the total itself.
  template <int maxCode>
  struct Narrow {
    using Weights = B;
    using Sums = I;
    static constexpr bool direct = true;
    static constexpr int parts = 1;
    static constexpr int64_t stepsPerWiden = int64_t{1} << 40;

    template <int part>
    static Weights weights(const B& codes) {
      return codes;
    }
    static void prepare(uint8_t* to, int64_t, const int8_t* x) { memcpy(to, x, 4); }
    static Sums step(const Sums& s, const Weights& w, const uint8_t* x) { return dot4(s, w, x); }
  };

  /// Products of signed 8-bit codes with int8: the codes are made unsigned by adding `bias`, which the total corrects.
  struct Wide : Narrow<255> {
    static constexpr int32_t bias = 128;
    template <int part>
    static B weights(B codes) {
      for (uint8_t& byte : codes.v) byte ^= 0x80;
      return codes;
    }
  };

  /// Columns k..k+7 of 16 rows of float32 (`stride` floats apart) to 8 vectors of one column each.
  static void transpose8(const float* from, int64_t stride, float* to, int64_t toStride) {
    for (int r = 0; r < 16; r++) {
      for (int k = 0; k < 8; k++) to[k * toStride + r] = from[r * stride + k];
    }
  }
};

}  // namespace
