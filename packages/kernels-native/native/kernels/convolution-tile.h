// The register tile that all convolutions share: some rows of the left operand against 16 or 32 columns of the right one.
// A step is 4 bytes of a row, two int16 or one float32, and 4 bytes of every column of the panel [step][columns].
#pragma once

#include "convolution-arguments.h"

namespace {

/// int8 operands as pairs of int16, sums in int32.
template <class V>
struct Int8Operands {
  using Sum = typename V::I;
  using Line = typename V::H;
  static constexpr int64_t size = 1;
  static constexpr int64_t perStep = 2;

  static Sum zero() { return V::setI(0); }
  /// The first `lanes` of 16. Whole vectors go the short way: a store under a mask takes many times as long.
  static Sum loadPart(const uint8_t* p, int64_t lanes) {
    const int32_t* from = reinterpret_cast<const int32_t*>(p);
    return lanes == 16 ? V::loadI(from) : V::loadPartI(from, lanes);
  }
  static void storePart(uint8_t* p, const Sum& sum, int64_t lanes) {
    int32_t* to = reinterpret_cast<int32_t*>(p);
    if (lanes == 16) V::storeI(to, sum);
    else V::storePartI(to, sum, lanes);
  }
  static Line line(const uint8_t* p) { return V::loadH(reinterpret_cast<const int16_t*>(p)); }
  static Line value(const uint8_t* p) {
    int32_t pair;
    memcpy(&pair, p, 4);
    return V::pairEverywhere(pair);
  }
  static Sum step(const Sum& sum, const Line& w, const Line& x) { return V::dot2(sum, w, x); }

  /// `count` operands as steps of a row; writes up to 62 bytes more.
  static void run(uint8_t* to, const uint8_t* from, int64_t count) {
    for (int64_t i = 0; i < count; i += 32) {
      V::storeH(reinterpret_cast<int16_t*>(to + 2 * i), V::widenBytes(reinterpret_cast<const int8_t*>(from + i)));
    }
  }
  static void put(uint8_t* step, int64_t half, const uint8_t* from) {
    const int16_t value = static_cast<int8_t>(*from);
    memcpy(step + 2 * half, &value, 2);
  }
  /// 16 columns of one step, from the operands of each of its halves; those past `lanes` may be anything.
  static Line across(const uint8_t* a, const uint8_t* b, int64_t) {
    return V::interleaveBytes(reinterpret_cast<const int8_t*>(a), reinterpret_cast<const int8_t*>(b));
  }
  static void storeLine(uint8_t* to, const Line& line) { V::storeH(reinterpret_cast<int16_t*>(to), line); }
};

/// int8 operands that are not negative on the left: products of bytes, four to a step, which int16 holds in pairs
/// (2 · 127 · 128 is below 2^15), so that nothing saturates on any set.
template <class V>
struct ByteOperands {
  using Sum = typename V::I;
  using Line = typename V::B;
  static constexpr int64_t size = 1;
  static constexpr int64_t perStep = 4;

  static Sum zero() { return V::setI(0); }
  static Sum loadPart(const uint8_t* p, int64_t lanes) { return Int8Operands<V>::loadPart(p, lanes); }
  static void storePart(uint8_t* p, const Sum& sum, int64_t lanes) { Int8Operands<V>::storePart(p, sum, lanes); }
  static Line line(const uint8_t* p) { return V::loadBytes(p); }
  static Line value(const uint8_t* p) {
    int32_t four;
    memcpy(&four, p, 4);
    return V::bytesOf(V::setI(four));
  }
  static Sum step(const Sum& sum, const Line& w, const Line& x) { return V::dot4Mix(sum, x, w); }

  static void run(uint8_t* to, const uint8_t* from, int64_t count) {
    memcpy(to, from, static_cast<size_t>(count));
  }
  static void put(uint8_t* step, int64_t place, const uint8_t* from) { step[place] = *from; }
};

/// float32, fused where the set has it.
template <class V>
struct FloatOperands {
  using Sum = typename V::F;
  using Line = typename V::F;
  static constexpr int64_t size = 4;
  static constexpr int64_t perStep = 1;

  static const float* floats(const uint8_t* p) { return reinterpret_cast<const float*>(p); }
  static Sum zero() { return V::set(0.0f); }
  static Sum loadPart(const uint8_t* p, int64_t lanes) {
    return lanes == 16 ? V::load(floats(p)) : V::loadPart(floats(p), lanes);
  }
  static void storePart(uint8_t* p, const Sum& sum, int64_t lanes) {
    float* to = reinterpret_cast<float*>(p);
    if (lanes == 16) V::store(to, sum);
    else V::storePart(to, sum, lanes);
  }
  static Line line(const uint8_t* p) { return V::load(floats(p)); }
  static Line value(const uint8_t* p) { return V::set(*floats(p)); }
  static Sum step(const Sum& sum, const Line& w, const Line& x) { return V::fma(x, w, sum); }

  static void run(uint8_t* to, const uint8_t* from, int64_t count) {
    memcpy(to, from, static_cast<size_t>(count) * 4);
  }
  static void put(uint8_t* step, int64_t, const uint8_t* from) { memcpy(step, from, 4); }
  static Line across(const uint8_t* a, const uint8_t*, int64_t lanes) { return loadPart(a, lanes); }
  static void storeLine(uint8_t* to, const Line& line) { V::store(reinterpret_cast<float*>(to), line); }
};

template <class V>
struct Tile {
  static constexpr int R = V::floatRows;
  static constexpr int vectors = V::floatVectors;
  static constexpr int64_t columns = 16 * vectors;
  /// Bytes of a panel per step.
  static constexpr int64_t panelStep = columns * 4;
};

/// One row of a tile: its operands and its results.
struct TileRow {
  const uint8_t* from;
  uint8_t* to;
};

/// `rows` rows of `table` by one panel. The steps of a row are 4 bytes apart, or, where `strided`, `stride` bytes, and
/// then the rows are 4 bytes apart. Results start at 0 where `first`, else they continue.
template <class V, class Operands, int rows, bool strided>
void multiplyTile(const TileRow* table, const uint8_t* panel, int64_t steps, int64_t stride, int64_t column,
                  int64_t lanes, bool first) {
  constexpr int vectors = V::floatVectors;
  typename Operands::Sum acc[rows][vectors];
  int64_t parts[vectors];
  for (int v = 0; v < vectors; v++) parts[v] = larger(0, smaller(16, lanes - 16 * v));
  // Every loop over rows is unrolled, or the sums would live in memory.
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      if (first) acc[r][v] = Operands::zero();
      else acc[r][v] = Operands::loadPart(table[r].to + column + 64 * v, parts[v]);
    }
  }
  const uint8_t* from[rows];
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) from[r] = strided ? table[0].from + 4 * r : table[r].from;
  for (int64_t k = 0; k < steps; k++, panel += Tile<V>::panelStep) {
    typename Operands::Line line[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) line[v] = Operands::line(panel + 64 * v);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
      const typename Operands::Line value = Operands::value(strided ? from[0] + 4 * r : from[r] + 4 * k);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        acc[r][v] = Operands::step(acc[r][v], line[v], value);
        // Row after row: taken together, the products of all rows would not fit the registers.
        if (Operands::perStep > 1) V::keep(acc[r][v]);
      }
    }
    if (strided) from[0] += stride;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) Operands::storePart(table[r].to + column + 64 * v, acc[r][v], parts[v]);
  }
}

template <class V, class Operands, bool strided, int rows = V::floatRows>
void multiplyRows(int64_t count, const TileRow* table, const uint8_t* panel, int64_t steps, int64_t stride,
                  int64_t column, int64_t lanes, bool first) {
  if constexpr (rows > 1) {
    if (count < rows) {
      return multiplyRows<V, Operands, strided, rows - 1>(count, table, panel, steps, stride, column, lanes, first);
    }
  }
  multiplyTile<V, Operands, rows, strided>(table, panel, steps, stride, column, lanes, first);
}

}  // namespace
