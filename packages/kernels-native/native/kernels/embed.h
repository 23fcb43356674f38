// embedGroups and embedF32: rows of a table by their ids, see Kernels of @bitloom/kernels. Ids are data, so each is
// checked against the memory, not against the table.
#pragma once

#include "row-functions.h"

namespace {

/// Signed codes k..k+count−1 of a row of `bits`-bit two's complement codes, LSB first.
inline void unpackCodes(const uint8_t* row, int64_t bits, int64_t k, int64_t count, int32_t* to) {
  const int shift = static_cast<int>(32 - bits);
  for (int64_t i = 0; i < count; i++) {
    const int64_t at = (k + i) * bits;
    const int64_t inside = at % 8;
    uint32_t word = row[at / 8];
    // The second byte is read only when the code reaches into it: the last one may be the end of the memory.
    if (inside + bits > 8) word |= static_cast<uint32_t>(row[at / 8 + 1]) << 8;
    to[i] = static_cast<int32_t>((word >> inside) << shift) >> shift;
  }
}

/// Arguments: bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR.
template <class V>
Status embedGroups(const Call& call) {
  using F = typename V::F;
  Arguments a(call);
  const int64_t bits = a.size(0), rows = a.size(2), cols = a.size(3);
  if (bits < 2 || bits > 8) a.refuse(kBadArgument);
  const bool whole = a.number(1) >= static_cast<double>(cols);
  const int64_t group = whole ? larger(1, cols) : a.size(1);
  if (group < 1) a.refuse(kBadArgument);
  const int32_t* ids = reinterpret_cast<const int32_t*>(a.block(4, rows * 4));
  const int64_t codes = a.whole(5), codesRow = a.whole(6), scales = a.whole(7), scalesRow = a.whole(8);
  const Operand dst = a.results(9, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t r = 0; r < rows; r++) {
    const int64_t id = ids[r];
    const uint8_t* line = a.indexed(codes, id, codesRow, ceilDiv(cols * bits, 8));
    const uint8_t* factors = a.indexed(scales, id, scalesRow, ceilDiv(cols, group) * 2);
    if (a.status() != kOk) return a.status();
    float* to = dst.at<float>(0, r);
    for (int64_t start = 0; start < cols; start += group) {
      uint16_t half[16] = {};
      memcpy(half, factors + start / group * 2, 2);
      float widened[16];
      V::store(widened, V::halves(half));
      const F scale = V::set(widened[0]);
      const int64_t end = smaller(cols, start + group);
      for (int64_t k = start; k < end; k += 16) {
        const int64_t count = smaller(16, end - k);
        int32_t values[16] = {};
        unpackCodes(line, bits, k, count, values);
        storeSome<V>(to + k, V::mul(V::toFloat(V::loadI(values)), scale), count);
      }
    }
  }
  return kOk;
}

/// Arguments: rows, cols, ids, table, tableRowBytes, dst, dstR.
template <class V>
Status embedF32(const Call& call) {
  Arguments a(call);
  const int64_t rows = a.size(0), cols = a.size(1);
  const int32_t* ids = reinterpret_cast<const int32_t*>(a.block(2, rows * 4));
  const int64_t table = a.whole(3), tableRow = a.whole(4);
  const Operand dst = a.results(5, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t r = 0; r < rows; r++) {
    const uint8_t* line = a.indexed(table, ids[r], tableRow, cols * 4);
    if (a.status() != kOk) return a.status();
    memmove(dst.row(0, r), line, static_cast<size_t>(cols) * 4);
  }
  return kOk;
}

}  // namespace
