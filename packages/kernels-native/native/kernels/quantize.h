// quantizeRows, see Kernels.quantizeRows of @bitloom/kernels.
#pragma once

#include "row-functions.h"

namespace {

/// Arguments: batch, rows, cols, src, srcB, srcR, dst, dstB, dstR, padTo, scale, scaleB, scaleR.
template <class V>
Status quantizeRows(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const int64_t padded = larger(cols, a.size(9));
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const Operand dst = a.results(6, batch, rows, padded);
  const Operand scale = a.rows(10, batch, rows, 4);
  if (a.status() != kOk) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = src.at<float>(b, r);
      const RowScale row = rowScale(largestMagnitude<V>(from, cols));
      quantizeRow<V>(from, cols, row.inverse, dst.at<int8_t>(b, r), padded);
      *scale.at<float>(b, r) = row.scale;
    }
  }
  return kOk;
}

}  // namespace
