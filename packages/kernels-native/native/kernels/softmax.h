// softmaxF32 and softmaxQuantize, see Kernels of @bitloom/kernels.
#pragma once

#include "row-functions.h"

namespace {

/// Softmax of `length` values from `from` to `to`, which may be the same.
template <class V>
void softmaxRow(const float* from, float* to, int64_t length, float smScale) {
  using F = typename V::F;
  const F factor = V::set(smScale);
  F most = V::set(-__builtin_inff());
  walk(
      length,
      [&](int64_t i) {
        const F z = V::mul(V::load(from + i), factor);
        V::store(to + i, z);
        most = V::maximum(z, most);
      },
      [&](int64_t i, int64_t left) {
        const F z = V::mul(V::loadPart(from + i, left), factor);
        V::storePart(to + i, z, left);
        // Lanes past the end repeat the first value, so that they cannot be the maximum alone.
        float last[16];
        V::store(last, z);
        for (int64_t j = left; j < 16; j++) last[j] = last[0];
        most = V::maximum(V::load(last), most);
      });
  const F max = V::set(V::maxLane(most));
  F sum = V::set(0.0f);
  walk(
      length,
      [&](int64_t i) {
        const F e = expOf<V>(V::sub(V::load(to + i), max));
        V::store(to + i, e);
        sum = V::add(sum, e);
      },
      [&](int64_t i, int64_t left) {
        const F e = expOf<V>(V::sub(V::loadPart(to + i, left), max));
        V::storePart(to + i, e, left);
        sum = V::add(sum, V::loadPart(to + i, left));
      });
  const F reciprocal = V::set(1.0f / V::treeSum(sum));
  for (int64_t i = 0; i < length; i += 16) {
    storeSome<V>(to + i, V::mul(loadSome<V>(to + i, length - i), reciprocal), length - i);
  }
}

/// Valid columns of row r: clamp(valid0 + r·validStep, 0, cols).
inline int64_t validColumns(int64_t cols, int64_t valid0, int64_t validStep, int64_t r) {
  // float64 holds any of them: exact where it lies in the row, else on the same side of it.
  const double valid = static_cast<double>(valid0) + static_cast<double>(r) * static_cast<double>(validStep);
  if (valid <= 0) return 0;
  return valid < static_cast<double>(cols) ? static_cast<int64_t>(valid) : cols;
}

/// Arguments: batch, rows, cols, src, srcB, srcR, valid0, validStep, smScale, dst, dstB, dstR.
template <class V>
Status softmaxF32(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const int64_t valid0 = a.whole(6), validStep = a.whole(7);
  const float smScale = a.scalar(8);
  const Operand dst = a.results(9, batch, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const int64_t length = validColumns(cols, valid0, validStep, r);
      float* to = dst.at<float>(b, r);
      softmaxRow<V>(src.at<float>(b, r), to, length, smScale);
      memset(to + length, 0, static_cast<size_t>(cols - length) * 4);
    }
  }
  return kOk;
}

/// Arguments: batch, rows, cols, src, srcB, srcR, vScale, vScaleB, bDiv, valid0, validStep, smScale, dst, dstB, dstR,
/// padTo, scale, scaleB, scaleR.
template <class V>
Status softmaxQuantize(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2), bDiv = a.size(8);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  if (bDiv < 1) a.refuse(kBadArgument);
  const int64_t shared = bDiv < 1 ? 0 : ceilDiv(batch, bDiv);
  const Operand values = a.place(a.whole(6), shared, a.whole(7), rows > 0 ? 1 : 0, 0, cols * 4);
  const int64_t valid0 = a.whole(9), validStep = a.whole(10);
  const float smScale = a.scalar(11);
  const int64_t padded = larger(cols, a.size(15));
  const Operand dst = a.results(12, batch, rows, padded);
  const Operand scale = a.rows(16, batch, rows, 4);
  if (a.status() != kOk) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    const float* factors = values.at<float>(b / bDiv, 0);
    for (int64_t r = 0; r < rows; r++) {
      const int64_t length = validColumns(cols, valid0, validStep, r);
      float* row = src.at<float>(b, r);
      softmaxRow<V>(row, row, length, smScale);
      for (int64_t i = 0; i < length; i += 16) {
        const int64_t left = length - i;
        storeSome<V>(row + i, V::mul(loadSome<V>(row + i, left), loadSome<V>(factors + i, left)), left);
      }
      const RowScale result = rowScale(largestMagnitude<V>(row, length));
      quantizeRow<V>(row, length, result.inverse, dst.at<int8_t>(b, r), padded);
      *scale.at<float>(b, r) = result.scale;
    }
  }
  return kOk;
}

}  // namespace
