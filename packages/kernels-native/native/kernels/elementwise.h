// Element-wise kernels: add, mul, siluMul, silu, gelu, relu, copy, and rope. See Kernels of @bitloom/kernels.
#pragma once

#include "row-functions.h"

namespace {

/// Arguments: batch, rows, cols, src, srcB, srcR, dst, dstB, dstR.
template <class V, class Function>
Status unary(const Call& call, Function f) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const Operand dst = a.results(6, batch, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = src.at<float>(b, r);
      float* to = dst.at<float>(b, r);
      walk(
          cols, [&](int64_t i) { V::store(to + i, f(V::load(from + i))); },
          [&](int64_t i, int64_t left) { V::storePart(to + i, f(V::loadPart(from + i, left)), left); });
    }
  }
  return kOk;
}

/// Arguments: batch, rows, cols, a, aB, aR, b, bB, bR, dst, dstB, dstR.
template <class V, class Function>
Status binary(const Call& call, Function f) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand left = a.rows(3, batch, rows, cols * 4);
  const Operand right = a.rows(6, batch, rows, cols * 4);
  const Operand dst = a.results(9, batch, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* x = left.at<float>(b, r);
      const float* y = right.at<float>(b, r);
      float* to = dst.at<float>(b, r);
      walk(
          cols, [&](int64_t i) { V::store(to + i, f(V::load(x + i), V::load(y + i))); },
          [&](int64_t i, int64_t rest) {
            V::storePart(to + i, f(V::loadPart(x + i, rest), V::loadPart(y + i, rest)), rest);
          });
    }
  }
  return kOk;
}

template <class V>
Status add(const Call& call) {
  return binary<V>(call, [](typename V::F x, typename V::F y) { return V::add(x, y); });
}

template <class V>
Status mul(const Call& call) {
  return binary<V>(call, [](typename V::F x, typename V::F y) { return V::mul(x, y); });
}

template <class V>
Status siluMul(const Call& call) {
  return binary<V>(call, [](typename V::F x, typename V::F y) { return V::mul(siluOf<V>(x), y); });
}

template <class V>
Status silu(const Call& call) {
  return unary<V>(call, [](typename V::F x) { return siluOf<V>(x); });
}

template <class V>
Status gelu(const Call& call) {
  return unary<V>(call, [](typename V::F x) { return geluOf<V>(x); });
}

template <class V>
Status relu(const Call& call) {
  return unary<V>(call, [](typename V::F x) { return V::positive(x); });
}

/// As bytes, so that the payload of a NaN stays. Rows of one call may lie over one another in memory only when they
/// are the same row.
template <class V>
Status copy(const Call& call) {
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2);
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const Operand dst = a.results(6, batch, rows, cols * 4);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) memmove(dst.row(b, r), src.row(b, r), static_cast<size_t>(cols) * 4);
  }
  return kOk;
}

/// Arguments: batch, rows, cols, src, srcB, srcR, table, tableR, dst, dstB, dstR, layout.
template <class V>
Status rope(const Call& call) {
  using F = typename V::F;
  Arguments a(call);
  const int64_t batch = a.size(0), rows = a.size(1), cols = a.size(2), half = cols / 2;
  const Operand src = a.rows(3, batch, rows, cols * 4);
  const Operand table = a.place(a.whole(6), batch > 0 ? 1 : 0, 0, rows, a.whole(7), half * 8);
  const Operand dst = a.results(8, batch, rows, cols * 4);
  const int64_t layout = a.size(11);
  if (cols % 2 != 0) a.refuse(kBadArgument);
  if (a.status() != kOk || cols == 0) return a.status();
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t r = 0; r < rows; r++) {
      const float* from = src.at<float>(b, r);
      const float* angles = table.at<float>(0, r);
      float* to = dst.at<float>(b, r);
      if (layout == 0) {
        // Pairs (a, b) with (cos, sin): (a·c − b·s, b·c + a·s); the sum is the same in either order.
        for (int64_t i = 0; i < cols; i += 16) {
          const int64_t left = cols - i;
          const F x = loadSome<V>(from + i, left), t = loadSome<V>(angles + i, left);
          const F y = V::addSub(V::mul(x, V::evenPairs(t)), V::mul(V::swapPairs(x), V::oddPairs(t)));
          storeSome<V>(to + i, y, left);
        }
        continue;
      }
      for (int64_t i = 0; i < half; i++) {
        const float x = from[i], y = from[i + half], c = angles[2 * i], s = angles[2 * i + 1];
        to[i] = x * c - y * s;
        to[i + half] = x * s + y * c;
      }
    }
  }
  return kOk;
}

}  // namespace
