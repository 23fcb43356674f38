// Packing of byte matrices for the integer products. A matrix has rows and channels (the inner dimension), one of them
// contiguous; what tiles read is rows of one operand, channel by channel, and panels of 16 rows of the other as quads:
// [four channels][16 rows][4 bytes]. Channels can come in any order, by a list of their indices.
#pragma once

#include <stddef.h>

#include "../arguments.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

/// Rows of a panel, and the unit in which channels are packed.
constexpr int64_t kPanelRows = 16;
constexpr int64_t kPackChannels = 16;
constexpr int64_t kQuadBytes = 64;

/// A matrix of int8: element (row, channel) at base + row·outer + channel·inner.
struct ByteMatrix {
  const uint8_t* base;
  int64_t outer, inner;

  const uint8_t* at(int64_t row, int64_t channel) const { return base + row * outer + channel * inner; }
};

// 16 rows of 16 bytes, each anywhere, to 16 columns.
inline void transposeBytes16(const uint8_t* const* rows, uint8_t* to, int64_t stride) {
#if defined(__AVX2__)
  __m128i a[16], b[16];
  for (int i = 0; i < 16; i++) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i]));
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
    b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]);
    a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
    b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i * stride), _mm_unpacklo_epi8(b[i], b[i + 8]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (2 * i + 1) * stride), _mm_unpackhi_epi8(b[i], b[i + 8]));
  }
#else
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 16; j++) to[j * stride + i] = rows[i][j];
  }
#endif
}

// 16 rows of 16 channels to four quads.
inline void quadsOfRows(const uint8_t* const* rows, uint8_t* to) {
#if defined(__AVX2__)
#pragma GCC unroll 2
  for (int half = 0; half < 2; half++) {
    __m256i a[4], b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      // Rows r and r + 4 share a register, so that the rest stays inside 128-bit halves.
      const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[half * 8 + i]));
      const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[half * 8 + i + 4]));
      a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    b[0] = _mm256_unpacklo_epi32(a[0], a[1]);
    b[1] = _mm256_unpackhi_epi32(a[0], a[1]);
    b[2] = _mm256_unpacklo_epi32(a[2], a[3]);
    b[3] = _mm256_unpackhi_epi32(a[2], a[3]);
    __m256i* out = reinterpret_cast<__m256i*>(to + half * 32);
    _mm256_storeu_si256(out, _mm256_unpacklo_epi64(b[0], b[2]));
    _mm256_storeu_si256(out + 2, _mm256_unpackhi_epi64(b[0], b[2]));
    _mm256_storeu_si256(out + 4, _mm256_unpacklo_epi64(b[1], b[3]));
    _mm256_storeu_si256(out + 6, _mm256_unpackhi_epi64(b[1], b[3]));
  }
#else
  for (int r = 0; r < 16; r++) {
    for (int q = 0; q < 4; q++) memcpy(to + q * kQuadBytes + r * 4, rows[r] + q * 4, 4);
  }
#endif
}

// Four channels of 16 rows to one quad.
inline void quadOfChannels(const uint8_t* const* channels, uint8_t* to) {
#if defined(__AVX2__)
  __m128i a[4];
  for (int i = 0; i < 4; i++) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(channels[i]));
  const __m128i lo01 = _mm_unpacklo_epi8(a[0], a[1]), hi01 = _mm_unpackhi_epi8(a[0], a[1]);
  const __m128i lo23 = _mm_unpacklo_epi8(a[2], a[3]), hi23 = _mm_unpackhi_epi8(a[2], a[3]);
  __m128i* out = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(out, _mm_unpacklo_epi16(lo01, lo23));
  _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(lo01, lo23));
  _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(hi01, hi23));
  _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(hi01, hi23));
#else
  for (int r = 0; r < 16; r++) {
    for (int i = 0; i < 4; i++) to[4 * r + i] = channels[i][r];
  }
#endif
}

/// 16 zeros, for rows and channels that are missing.
constexpr uint8_t kZeros[16] = {};

/// Up to 16 rows of a matrix as lines of 16 bytes per channel: found where they are, or copied to `buffer`.
struct ChannelLines {
  const uint8_t* base;
  int64_t stride;

  /// @param buffer 16 bytes per channel of `all` channels from `first`, rounded up to 16.
  ChannelLines(const ByteMatrix& from, int64_t row, int64_t rows, int64_t first, int64_t all, uint8_t* buffer) {
    if (from.outer == 1 && rows == kPanelRows) {
      base = from.at(row, first);
      stride = from.inner;
      return;
    }
    base = buffer;
    stride = kPanelRows;
    if (from.outer == 1) {
      memset(buffer, 0, static_cast<size_t>(all * kPanelRows));
      for (int64_t k = 0; k < all; k++) memcpy(buffer + k * kPanelRows, from.at(row, first + k), static_cast<size_t>(rows));
      return;
    }
    for (int64_t k = 0; k < all; k += 16) {
      const int64_t count = smaller(16, all - k);
      const uint8_t* lines[16];
      uint8_t tail[16][16];
      if (count < 16) memset(tail, 0, sizeof tail);
      for (int64_t r = 0; r < 16; r++) {
        lines[r] = r < rows ? from.at(row + r, first + k) : kZeros;
        if (count < 16 && r < rows) {
          memcpy(tail[r], lines[r], static_cast<size_t>(count));
          lines[r] = tail[r];
        }
      }
      transposeBytes16(lines, buffer + k * kPanelRows, kPanelRows);
    }
  }

  const uint8_t* at(int64_t channel) const { return base + channel * stride; }
};

/// Channels of a block of a product of bytes: a panel of 16 columns (18 KiB) and a tile of rows (7 KiB) share a
/// first-level cache.
constexpr int64_t kByteDepth = 1024;

/// In an order of channels: a channel of zeros.
constexpr uint16_t kNoChannel = 0xffff;

inline const uint8_t* lineOf(const ChannelLines& lines, const uint16_t* order, int64_t i, int64_t count) {
  if (i >= count) return kZeros;
  if (order == nullptr) return lines.at(i);
  return order[i] == kNoChannel ? kZeros : lines.at(order[i]);
}

/// An order of the channels of a block as moves of bytes: up to 16 places that follow one another and whose channels lie
/// in the same 16. Moves are in the order of places, so the zeros after a move are overwritten by the next.
struct ChannelMoves {
  struct Move {
    uint16_t from, to;
    /// For each place its channel among the 16, or 0x80: a zero.
    uint8_t lanes[16];
  };
  int count;
  Move moves[kByteDepth];

  void make(const uint16_t* order, int64_t places) {
    count = 0;
    int64_t used = 16;
    for (int64_t i = 0; i < places; i++, used++) {
      if (order[i] == kNoChannel) {
        used = 16;
        continue;
      }
      const uint16_t from = order[i] & ~15;
      if (used >= 16 || moves[count - 1].from != from) {
        moves[count].from = from;
        moves[count].to = static_cast<uint16_t>(i);
        memset(moves[count].lanes, 0x80, 16);
        count++;
        used = 0;
      }
      moves[count - 1].lanes[used] = order[i] & 15;
    }
  }

  /// `all` channels of `rows` rows, `rowBytes` apart, to rows `stride` bytes apart, in the order of their places and with
  /// zeros up to `padded`. `stride` leaves room for 16 bytes after them.
  void apply(const uint8_t* from, int64_t rowBytes, int64_t rows, int64_t all, uint8_t* to, int64_t stride,
             int64_t padded) const {
    int64_t r = 0;
    for (; r + kTogether <= rows; r += kTogether) {
      // Moves walk a row once per class and meet its lines late: those of the rows to come are asked for beforehand.
      for (int64_t next = r + kTogether; next < smaller(rows, r + 2 * kTogether); next++) {
        for (int64_t i = 0; i < all; i += 64) __builtin_prefetch(from + next * rowBytes + i);
      }
      applyTo<kTogether>(from + r * rowBytes, rowBytes, all, to + r * stride, stride, padded);
    }
    for (; r < rows; r++) applyTo<1>(from + r * rowBytes, rowBytes, all, to + r * stride, stride, padded);
  }

 private:
  /// Rows that share the loads of a move.
  static constexpr int64_t kTogether = 4;

  template <int rows>
  void applyTo(const uint8_t* from, int64_t rowBytes, int64_t all, uint8_t* to, int64_t stride, int64_t padded) const {
    const int64_t whole = all & ~int64_t{15};
    // What of the last 16 channels is inside the row.
    uint8_t tails[rows][16] = {};
    for (int r = 0; r < rows; r++) {
      memcpy(tails[r], from + r * rowBytes + whole, static_cast<size_t>(all - whole));
      memset(to + r * stride, 0, static_cast<size_t>(padded));
    }
    for (int i = 0; i < count; i++) {
      const Move& move = moves[i];
      const bool isTail = move.from == whole;
      const uint8_t* source = isTail ? tails[0] : from + move.from;
      const int64_t step = isTail ? 16 : rowBytes;
      uint8_t* target = to + move.to;
#if defined(__AVX2__)
      const __m128i lanes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(move.lanes));
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + r * step));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target + r * stride), _mm_shuffle_epi8(bytes, lanes));
      }
#else
      for (int r = 0; r < rows; r++) {
        for (int j = 0; j < 16; j++) {
          target[r * stride + j] = move.lanes[j] == 0x80 ? 0 : source[r * step + move.lanes[j]];
        }
      }
#endif
    }
  }
};

/// Where the channels of a block go: `count` places, as they are or in an order.
struct ChannelOrder {
  int64_t count;
  /// Null: as they are.
  const uint16_t* order;
  const ChannelMoves* moves;

  int64_t padded() const { return ceilDiv(count, kPackChannels) * kPackChannels; }
};

/// Packs `rows` rows, `stride` bytes apart, with room for 16 bytes after the last. The block has `all` channels from
/// `first`. Channels are padded with 0 to a multiple of 16. `buffer` has 16 bytes per place and 16 more.
inline void packRows(const ByteMatrix& from, int64_t row, int64_t rows, int64_t first, int64_t all,
                     const ChannelOrder& places, uint8_t* to, int64_t stride, uint8_t* buffer) {
  const int64_t padded = places.padded();
  if (from.inner == 1) {
    if (places.order != nullptr) {
      return places.moves->apply(from.at(row, first), from.outer, rows, all, to, stride, padded);
    }
    for (int64_t r = 0; r < rows; r++) {
      memcpy(to + r * stride, from.at(row + r, first), static_cast<size_t>(all));
      memset(to + r * stride + all, 0, static_cast<size_t>(padded - all));
    }
    return;
  }
  for (int64_t r = 0; r < rows; r += kPanelRows) {
    const int64_t here = smaller(kPanelRows, rows - r);
    const ChannelLines lines(from, row + r, here, first, all, buffer);
    uint8_t spare[16][16];
    for (int64_t k = 0; k < padded; k += 16) {
      const uint8_t* sixteen[16];
      for (int64_t i = 0; i < 16; i++) sixteen[i] = lineOf(lines, places.order, k + i, places.count);
      if (here == kPanelRows) {
        transposeBytes16(sixteen, to + r * stride + k, stride);
        continue;
      }
      transposeBytes16(sixteen, spare[0], 16);
      for (int64_t i = 0; i < here; i++) memcpy(to + (r + i) * stride + k, spare[i], 16);
    }
  }
}

/// Packs a panel of up to 16 rows as quads, ceil16(count) / 4 of them. `buffer` has 16 bytes per place, rounded up to 16
/// places, and 256 more.
inline void packQuads(const ByteMatrix& from, int64_t row, int64_t rows, int64_t first, int64_t all,
                      const ChannelOrder& places, uint8_t* to, uint8_t* buffer) {
  const int64_t padded = places.padded();
  if (from.inner == 1) {
    const int64_t spaced = padded + 16;
    if (places.order != nullptr) {
      places.moves->apply(from.at(row, first), from.outer, rows, all, buffer, spaced, padded);
    }
    const ByteMatrix ordered = places.order == nullptr ? ByteMatrix{from.at(row, first), from.outer, 1}
                                                       : ByteMatrix{buffer, spaced, 1};
    for (int64_t k = 0; k < padded; k += 16) {
      const int64_t here = smaller(16, places.count - k);
      const uint8_t* lines[16];
      uint8_t tail[16][16];
      if (here < 16) memset(tail, 0, sizeof tail);
      for (int64_t r = 0; r < 16; r++) {
        lines[r] = r < rows ? ordered.at(r, k) : kZeros;
        if (here < 16 && r < rows) {
          memcpy(tail[r], lines[r], static_cast<size_t>(here));
          lines[r] = tail[r];
        }
      }
      quadsOfRows(lines, to + k / 4 * kQuadBytes);
    }
    return;
  }
  const ChannelLines lines(from, row, rows, first, all, buffer);
  for (int64_t k = 0; k < padded; k += 4) {
    const uint8_t* four[4];
    for (int64_t i = 0; i < 4; i++) four[i] = lineOf(lines, places.order, k + i, places.count);
    quadOfChannels(four, to + k / 4 * kQuadBytes);
  }
}

}  // namespace
