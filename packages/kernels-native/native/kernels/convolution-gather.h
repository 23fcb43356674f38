// Forward convolution and input gradient: every output pixel gathers source pixels through taps, see convolution-plan.ts
// of the kernels package. Weights are laid out once per span of outputs and chunk of taps and serve every pixel; pixels
// are laid out kGatherRows at a time, so no image of columns is ever made. The sum over chunks continues in the result in
// the order of the taps: its bits depend on nothing that is cut.
#pragma once

#include "convolution-depthwise.h"
#include "convolution-tile.h"

namespace {

/// Steps at a time: a panel of 16 columns, 16 KiB, and a tile of rows share a first-level cache.
constexpr int64_t kGatherSteps = 256;
/// Outputs whose weights are laid out at once (256 KiB), and pixels (100 KiB, a multiple of every tile height): both fit
/// a second-level cache.
constexpr int64_t kGatherSpan = 256;
constexpr int64_t kGatherRows = 96;
/// A result of no more pixels keeps them all (230 KiB), and weights are laid out one panel at a time.
constexpr int64_t kGatherFew = 216;
/// Bytes of a row: past a multiple of a page, so that rows do not fight for the same cache lines.
constexpr int64_t kGatherRowBytes = kGatherSteps * 4 + 64;

template <class V, class Operands>
struct GatherProduct : Gather {
  static constexpr int64_t columns = Tile<V>::columns;
  static constexpr int64_t panelStep = Tile<V>::panelStep;
  static constexpr int64_t size = Operands::size;
  static constexpr int64_t perStep = Operands::perStep;
  static constexpr int64_t elementBytes = 4 / perStep;

  uint8_t* panels;
  uint8_t* pixelRows;
  uint8_t* lines;
  TileRow table[kGatherFew];
  /// The taps of a run: side by side where they read neighbouring pixels as a whole, else one.
  int64_t runTaps, runsX, runs;
  /// The current piece: channels [depthFrom, depthFrom + part) of runs [run0, run0 + runCount).
  int64_t group, first, depthFrom, part, run0, runCount, runSteps, steps;
  bool isFirst, isLast;

  void zeros(uint8_t* to, int64_t bytes) const {
    if (bytes > 0) memset(to, 0, static_cast<size_t>(bytes));
  }

  const uint8_t* weightAt(int64_t output, int64_t run) const {
    const int64_t tap = run / runsX * wTapY + run % runsX * wTapX;
    return weights + group * wGroup + (first + output) * wFilter + depthFrom * wDepth + tap;
  }

  /// Panel of outputs [n, n + columns) of this span.
  void packPanel(uint8_t* to, int64_t n, int64_t span) {
    const int64_t length = runTaps * part;
    for (int v = 0; v < Tile<V>::vectors; v++, n += 16, to += 64) {
      const int64_t lanes = larger(0, smaller(16, span - n));
      if (wDepth == size && lanes > 0) packRows(to, n, lanes, length);
      else if (perStep <= 2 && wFilter == size && lanes > 0) packColumns(to, n, lanes, length);
      else packSingly(to, n, lanes, length);
    }
  }

  /// Brings the weights of outputs [n, n + columns) nearer, while others are at work.
  void fetchPanel(int64_t n, int64_t span) const {
    if (wDepth != size) return;
    for (int64_t r = n; r < smaller(n + columns, span); r++) {
      for (int64_t i = 0; i < runCount; i++) {
        const uint8_t* from = weightAt(r, run0 + i);
        for (int64_t b = 0; b < runTaps * part * size; b += 64) __builtin_prefetch(from + b, 0, 2);
      }
    }
  }

  /// Where the operands of an output are contiguous: rows as those of pixels, then turned.
  void packRows(uint8_t* to, int64_t n, int64_t lanes, int64_t length) {
    for (int64_t r = 0; r < 16; r++) {
      uint8_t* row = lines + r * kGatherRowBytes;
      if (r >= lanes) {
        zeros(row, kGatherRowBytes);
        continue;
      }
      for (int64_t i = 0; i < runCount; i++, row += runSteps * 4) {
        Operands::run(row, weightAt(n + r, run0 + i), length);
        zeros(row + length * elementBytes, runSteps * 4 - length * elementBytes);
      }
    }
    const float* from = reinterpret_cast<const float*>(lines);
    float* out = reinterpret_cast<float*>(to);
    int64_t k = 0;
    for (; k + 8 <= steps; k += 8) V::transpose8(from + k, kGatherRowBytes / 4, out + k * columns, columns);
    for (; k < steps; k++) {
      for (int64_t r = 0; r < 16; r++) memcpy(out + k * columns + r, from + k + r * (kGatherRowBytes / 4), 4);
    }
  }

  /// Where the outputs of an operand are contiguous.
  void packColumns(uint8_t* to, int64_t n, int64_t lanes, int64_t length) {
    if constexpr (perStep <= 2) {
      static const uint8_t none[64] = {};
      for (int64_t i = 0; i < runCount; i++) {
        const uint8_t* from = weightAt(n, run0 + i);
        for (int64_t k = 0; k < length; k += perStep, to += panelStep) {
          const uint8_t* second = perStep == 2 && k + 1 < length ? from + wDepth : none;
          Operands::storeLine(to, Operands::across(from, second, lanes));
          from += perStep * wDepth;
        }
      }
    }
  }

  void packSingly(uint8_t* to, int64_t n, int64_t lanes, int64_t length) {
    for (int64_t i = 0; i < runCount; i++, to += runSteps * panelStep) {
      for (int64_t k = 0; k < runSteps; k++) zeros(to + k * panelStep, 64);
      for (int64_t r = 0; r < lanes; r++) {
        const uint8_t* from = weightAt(n + r, run0 + i);
        for (int64_t k = 0; k < length; k++) {
          Operands::put(to + k / perStep * panelStep + r * 4, k % perStep, from + k * wDepth);
        }
      }
    }
  }

  /// The row of one output pixel: a pointer to the source itself where it is one whole run of as many bytes.
  const uint8_t* packPixel(uint8_t* row, const PixelWalk& at) const {
    uint8_t* to = row;
    const uint8_t* image = src + at.image * srcImage + (group * depth + depthFrom) * size;
    for (int64_t run = run0; run < run0 + runCount; run++, to += runSteps * 4) {
      const int64_t y = at.y * stepY + offsetY + run / runsX * tapStepY;
      const int64_t x = at.x * stepX + offsetX + run % runsX * tapStepX;
      const int64_t skip = larger(0, -x);
      const int64_t inside = smaller(runTaps, srcWidth - x) - skip;
      if (y < 0 || y >= srcHeight || inside <= 0) {
        zeros(to, runSteps * 4);
        continue;
      }
      const uint8_t* from = image + (y * srcWidth + x + skip) * srcPixel;
      // Rows some pages apart fight for the same cache lines, so those are copied after all.
      if (perStep * size == 4 && runCount == 1 && inside == runTaps && srcPixel % 4096 != 0) return from;
      const int64_t lead = skip * part * elementBytes;
      const int64_t end = (skip + inside) * part * elementBytes;
      zeros(to, lead);
      Operands::run(to + lead, from, inside * part);
      // What a run writes too much is overwritten by the next, or lies in the room at the end of the row.
      zeros(to + end, runSteps * 4 - end);
    }
    return row;
  }

  /// Rows of `count` pixels from `at` on.
  void packPixels(PixelWalk& at, int64_t count) {
    for (int64_t i = 0; i < count; i++, at.next(*this)) {
      const int64_t output = (group * width + first) * 4;
      table[i].to = dst + at.image * dstImage + at.y * dstRow + at.x * dstCol + output;
      table[i].from = packPixel(pixelRows + i * kGatherRowBytes, at);
    }
  }

  /// The rows by the panel of outputs [n, n + columns) of this span.
  void multiply(const uint8_t* panel, int64_t count, int64_t n, int64_t span) const {
    for (int64_t i = 0; i < count; i += V::floatRows) {
      multiplyRows<V, Operands, false>(count - i, table + i, panel, steps, 0, n * 4, span - n, isFirst);
    }
  }

  void finish(int64_t count, int64_t span) const {
    if (!isLast || scale == nullptr) return;
    for (int64_t i = 0; i < count; i++) scaleRow<V>(table[i].to, scale + (group * width + first) * 4, span);
  }

  /// The current piece for a result of many pixels: weights first, then block after block of pixels.
  void multiplyMany(int64_t span) {
    const int64_t panelBytes = panelStep * steps;
    for (int64_t n = 0; n < span; n += columns) packPanel(panels + n / columns * panelBytes, n, span);
    const int64_t all = pixels();
    PixelWalk at;
    for (int64_t pixel = 0; pixel < all; pixel += kGatherRows) {
      const int64_t count = smaller(kGatherRows, all - pixel);
      packPixels(at, count);
      for (int64_t n = 0; n < span; n += columns) multiply(panels + n / columns * panelBytes, count, n, span);
      finish(count, span);
    }
  }

  /// The current piece for a result of few pixels: all pixels first, then panel after panel.
  void multiplyFew(int64_t span) {
    PixelWalk at;
    const int64_t count = pixels();
    packPixels(at, count);
    for (int64_t n = 0; n < span; n += columns) {
      packPanel(panels, n, span);
      fetchPanel(n + columns, span);
      multiply(panels, count, n, span);
    }
    finish(count, span);
  }

  Status run() {
    constexpr int64_t most = kGatherSteps * perStep;
    const bool isFew = pixels() <= kGatherFew;
    const int64_t rowCount = isFew ? kGatherFew : kGatherRows;
    const int64_t span = isFew ? width : kGatherSpan;
    panels = scratch<uint8_t>(kScratchWeights, (isFew ? columns : kGatherSpan) * kGatherSteps * 4);
    pixelRows = scratch<uint8_t>(kScratchActivations, rowCount * kGatherRowBytes + kOverread);
    lines = scratch<uint8_t>(kScratchFloats, 16 * kGatherRowBytes + kOverread);
    if (panels == nullptr || pixelRows == nullptr || lines == nullptr) return kNoMemory;
    const bool folds = tapStepX == 1 && srcPixel == depth * size && wTapX == depth * wDepth && tapsX * depth <= most;
    runTaps = folds ? tapsX : 1;
    runsX = folds || tapsX == 0 ? 1 : tapsX;
    runs = tapsY * (folds ? 1 : tapsX);
    for (group = 0; group < groups; group++) {
      for (first = 0; first < width; first += span) {
        const int64_t outputs = smaller(span, width - first);
        // Without channels or taps there is one piece of no steps, which writes zeros.
        for (depthFrom = 0; depthFrom == 0 || depthFrom < depth; depthFrom += most) {
          part = smaller(most, depth - depthFrom);
          runSteps = ceilDiv(runTaps * part, perStep);
          const int64_t runsAtOnce = larger(1, kGatherSteps / larger(1, runSteps));
          for (run0 = 0; run0 == 0 || run0 < runs; run0 += runsAtOnce) {
            runCount = smaller(runsAtOnce, runs - run0);
            steps = runCount * runSteps;
            isFirst = depthFrom == 0 && run0 == 0;
            isLast = depthFrom + most >= depth && run0 + runsAtOnce >= runs;
            if (isFew) multiplyFew(outputs);
            else multiplyMany(outputs);
          }
        }
      }
    }
    return kOk;
  }
};

/// Whether no source pixel is negative: what comes out of a rectifier. Data with signs show one at once.
inline bool isNonNegative(const Gather& g) {
  const int64_t lanes = g.groups * g.depth;
  const int64_t row = g.srcPixel == lanes ? g.srcWidth * lanes : lanes;
  const int64_t rows = g.srcPixel == lanes ? g.srcHeight : g.srcHeight * g.srcWidth;
  const int64_t stride = g.srcPixel == lanes ? g.srcWidth * g.srcPixel : g.srcPixel;
  for (int64_t image = 0; image < g.images; image++) {
    for (int64_t y = 0; y < rows; y++) {
      const uint8_t* from = g.src + image * g.srcImage + y * stride;
      uint8_t signs = 0;
      for (int64_t i = 0; i < row; i++) signs |= from[i];
      if (signs >= 128) return false;
    }
  }
  return true;
}

template <class V, class Operands>
Status gather(const Call& call) {
  GatherProduct<V, Operands> product;
  const Status status = product.read(call, Operands::size);
  if (status != kOk || product.isEmpty()) return status;
  return product.isDepthwise() ? depthwise<V, Operands>(product) : product.run();
}

template <class V>
Status gatherInt8(const Call& call) {
  GatherProduct<V, ByteOperands<V>> product;
  const Status status = product.read(call, 1);
  if (status != kOk || product.isEmpty()) return status;
  if (product.isDepthwise() || product.wDepth != 1 || !isNonNegative(product)) return gather<V, Int8Operands<V>>(call);
  return product.run();
}

template <class V>
Status convolution(const Call& call) {
  return gatherInt8<V>(call);
}
template <class V>
Status convolutionInt8(const Call& call) {
  return gatherInt8<V>(call);
}
template <class V>
Status convolutionInputGradientInt8(const Call& call) {
  return gatherInt8<V>(call);
}
template <class V>
Status convolutionF32(const Call& call) {
  return gather<V, FloatOperands<V>>(call);
}
template <class V>
Status convolutionInputGradientF32(const Call& call) {
  return gather<V, FloatOperands<V>>(call);
}

}  // namespace
