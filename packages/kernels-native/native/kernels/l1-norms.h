// l1Norm and l1NormInt8, see L1NormKernels of @bitloom/kernels. Three walks over a row of bytes: its sum; how far its
// bytes lie from the whole part of the mean, and how many lie above, from which the deviations from the mean itself
// follow; the codes. A row is at most 65536 bytes, so the walks after the first find it in a cache.
#pragma once

#include <math.h>

#include "norms.h"

namespace {

/// Arguments: batch, rows, cols, src, srcB, srcR, weight, bias, dst, dstB, dstR, eps.
template <class V>
Status l1Norm(const Call& call) {
  using F = typename V::F;
  return centredNorm<V>(
      call, [](F d) { return V::abs(d); },
      [](float sum, int64_t cols, float eps) { return 1.0f / (meanOf(sum, cols) + eps); });
}

/// Bytes of one step, and of the operands that are laid out for it.
constexpr int64_t kL1Step = 64;
/// Longest row whose sums fit int32.
constexpr int64_t kMostL1Columns = 65536;

/// A row of int8: whole steps, and what is left of it with zeros behind.
template <class V>
struct ByteRow {
  const uint8_t* from;
  int64_t whole, left;
  uint8_t tail[kL1Step];

  void set(const uint8_t* row, int64_t cols) {
    from = row;
    whole = cols / kL1Step * kL1Step;
    left = cols - whole;
    if (left == 0) return;
    memset(tail, 0, sizeof tail);
    memcpy(tail, row + whole, static_cast<size_t>(left));
  }

  typename V::B last() const { return V::loadBytes(tail); }

  /// Bytes of zeros behind the last one.
  int64_t padding() const { return left == 0 ? 0 : kL1Step - left; }

  int32_t sum() const {
    const typename V::B zero = V::setBytes(0);
    typename V::I sums = V::setI(0);
    // int8 + 128, whose distance from 0 is itself.
    for (int64_t i = 0; i < whole; i += kL1Step) {
      sums = V::addDistances(sums, V::flipSigns(V::loadBytes(from + i)), zero);
    }
    if (left > 0) sums = V::addDistances(sums, V::flipSigns(last()), zero);
    return V::sumI(sums) - static_cast<int32_t>(128 * (whole + left + padding()));
  }

  /// Σ|128·x − mean| over `cols` columns. With mean = 128·level + rest: 128·Σ|x − level|, less `rest` for each byte above
  /// the level, and `rest` more for each of the others.
  int64_t deviation(int32_t mean, int64_t cols) const {
    using B = typename V::B;
    const int32_t level = mean >> 7, rest = mean & 127;
    const B zero = V::setBytes(0), limit = V::setBytes(static_cast<uint8_t>(level)), from0 = V::flipSigns(limit);
    typename V::I distances = V::setI(0), above = V::setI(0);
    for (int64_t start = 0; start < whole;) {
      // A count of one byte ends at 255.
      const int64_t end = smaller(whole, start + 255 * kL1Step);
      B counts = zero;
      for (; start < end; start += kL1Step) {
        const B x = V::loadBytes(from + start);
        distances = V::addDistances(distances, V::flipSigns(x), from0);
        counts = V::countAbove(counts, x, limit);
      }
      above = V::addDistances(above, counts, zero);
    }
    if (left > 0) {
      distances = V::addDistances(distances, V::flipSigns(last()), from0);
      above = V::addDistances(above, V::countAbove(zero, last(), limit), zero);
    }
    const int64_t distance = V::sumI(distances) - padding() * (level < 0 ? -level : level);
    const int64_t number = V::sumI(above) - (level < 0 ? padding() : 0);
    return 128 * distance + rest * (cols - 2 * number);
  }
};

/// How codes come from deviations: by m·2^−(k + 15).
struct L1Factor {
  int32_t k, m;
};

inline L1Factor l1Factor(int64_t cols, float gain, int64_t deviation) {
  const float r = deviation == 0 ? 0.0f : static_cast<float>(cols) * gain / static_cast<float>(deviation);
  uint32_t bits;
  memcpy(&bits, &r, 4);
  // r = f·2^e with f from 1/2 to 1, so r·2^k < 1 up to k = −e.
  const int32_t e = static_cast<int32_t>(bits >> 23 & 0xffu) - 126;
  const int32_t k = e > -2 ? 2 : (e < -8 ? 8 : -e);
  const float m = r * static_cast<float>(1 << (k + 15));
  // NaN is not above 0 either; the gain of a call is.
  return {k, m > 0 ? (m < 32767.0f ? static_cast<int32_t>(lrintf(m)) : 32767) : 0};
}

/// The same int16 in every element.
template <class V>
typename V::H everywhere(int32_t value) {
  return V::pairEverywhere(static_cast<int32_t>((static_cast<uint32_t>(value) & 0xffffu) * 0x10001u));
}

/// Weights and biases of the columns, padded with zeros to whole steps. The weights of a step lie in the order of
/// V::low, then in that of V::high.
struct L1Parameters {
  const int16_t* weight;
  const uint8_t* bias;
};

/// Rows to codes, for one choice of weight and bias.
template <class V, bool weighted, bool biased>
struct L1Codes {
  using B = typename V::B;
  using H = typename V::H;
  H mean, m, power;
  const L1Parameters& parameters;

  L1Codes(int32_t rowMean, L1Factor factor, const L1Parameters& all)
      : mean(everywhere<V>(rowMean)), m(everywhere<V>(factor.m)), parameters(all) {
    // A shift right with rounding is a rounding product with a power of two.
    power = everywhere<V>(1 << (15 - (weighted ? factor.k - 1 : factor.k)));
  }

  BITLOOM_INLINE H finish(H x, const int16_t* weight) const {
    H v = V::mulRound(V::subH(x, mean), m);
    if constexpr (weighted) v = V::mulRound(v, V::loadH(weight));
    return V::mulRound(v, power);
  }

  /// Codes of the columns from i on.
  BITLOOM_INLINE B step(B x, int64_t i) const {
    const int16_t* weight = weighted ? parameters.weight + i : nullptr;
    const H low = finish(V::low(x), weight);
    const H high = finish(V::high(x), weighted ? weight + kL1Step / 2 : nullptr);
    B codes = V::narrow(low, high);
    if constexpr (biased) codes = V::addSaturated(codes, V::loadBytes(parameters.bias + i));
    return V::maximumBytes(codes, V::setBytes(static_cast<uint8_t>(-127)));
  }

  void row(const ByteRow<V>& x, uint8_t* to) const {
    for (int64_t i = 0; i < x.whole; i += kL1Step) V::storeBytes(to + i, step(V::loadBytes(x.from + i), i));
    if (x.left == 0) return;
    uint8_t bytes[kL1Step];
    V::storeBytes(bytes, step(x.last(), x.whole));
    memcpy(to + x.whole, bytes, static_cast<size_t>(x.left));
  }
};

/// The mean of a row in units of 1/128.
inline int32_t l1Mean(int32_t sum, int32_t cols) {
  // Fits int32 for every row, and division truncates where a floor is wanted.
  const int32_t dividend = 256 * sum + cols, divisor = 2 * cols;
  return dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
}

/// Rows that take their steps together: what one waits for is hidden behind the others.
constexpr int64_t kL1Rows = 8;
/// Bytes of such rows that a first-level cache holds until their last walk.
constexpr int64_t kL1Block = 16384;

template <class V, bool weighted, bool biased>
void l1Rows(int64_t rows, int64_t cols, const Operand& src, const Operand& dst, float gain, const L1Parameters& parameters) {
  const int64_t most = larger(1, smaller(kL1Rows, kL1Block / cols));
  ByteRow<V> row[kL1Rows];
  int32_t mean[kL1Rows];
  L1Factor factor[kL1Rows];
  for (int64_t start = 0; start < rows; start += most) {
    const int64_t count = smaller(most, rows - start);
    for (int64_t r = 0; r < count; r++) {
      row[r].set(src.row(0, start + r), cols);
      mean[r] = l1Mean(row[r].sum(), static_cast<int32_t>(cols));
    }
    for (int64_t r = 0; r < count; r++) factor[r] = l1Factor(cols, gain, row[r].deviation(mean[r], cols));
    for (int64_t r = 0; r < count; r++) {
      L1Codes<V, weighted, biased>(mean[r], factor[r], parameters).row(row[r], dst.row(0, start + r));
    }
  }
}

/// Arguments: rows, cols, src, srcR, weight, bias, gain, dst, dstR.
template <class V>
Status l1NormInt8(const Call& call) {
  Arguments a(call);
  const int64_t rows = a.size(0), cols = a.size(1);
  if (cols > kMostL1Columns) a.refuse(kBadArgument);
  const Operand src = a.place(a.whole(2), 1, 0, rows, a.whole(3), cols);
  const bool weighted = a.whole(4) != 0, biased = a.whole(5) != 0;
  const uint8_t* weight = weighted ? a.block(4, cols * 2) : nullptr;
  const uint8_t* bias = biased ? a.block(5, cols) : nullptr;
  const float gain = a.scalar(6);
  const Operand dst = a.results(7, rows, cols);
  if (a.status() != kOk || rows == 0 || cols == 0) return a.status();

  const int64_t padded = ceilDiv(cols, kL1Step) * kL1Step;
  L1Parameters parameters{nullptr, nullptr};
  if (weighted || biased) {
    int16_t* weights = scratch<int16_t>(kScratchWeights, padded);
    uint8_t* biases = scratch<uint8_t>(kScratchSums, padded);
    if (weights == nullptr || biases == nullptr) return kNoMemory;
    // Eight columns at a time: eighths 0, 2, 4 and 6 of a step are those of V::low.
    for (int64_t i = 0; weighted && i < padded; i += 8) {
      const int64_t left = smaller(8, cols - i), eighth = i / 8 % 8;
      int16_t* to = weights + i - eighth * 8 + (eighth % 2 * 4 + eighth / 2) * 8;
      if (left < 8) memset(to, 0, 16);
      if (left > 0) memcpy(to, weight + i * 2, static_cast<size_t>(left) * 2);
    }
    if (biased) {
      memcpy(biases, bias, static_cast<size_t>(cols));
      memset(biases + cols, 0, static_cast<size_t>(padded - cols));
    }
    parameters = {weights, biases};
  }
  if (weighted && biased) l1Rows<V, true, true>(rows, cols, src, dst, gain, parameters);
  else if (weighted) l1Rows<V, true, false>(rows, cols, src, dst, gain, parameters);
  else if (biased) l1Rows<V, false, true>(rows, cols, src, dst, gain, parameters);
  else l1Rows<V, false, false>(rows, cols, src, dst, gain, parameters);
  return kOk;
}

}  // namespace
