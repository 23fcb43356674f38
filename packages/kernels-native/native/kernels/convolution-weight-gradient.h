// Weight gradient: sums over pixels. A chunk of pixels is laid out once for a span of filters and, tap after tap, for the
// channels; a step is two pixels of int8 or one of float32. The sum over chunks continues in the result, so the order is
// that of the pixels, whatever is cut.
#pragma once

#include "convolution-tile.h"

namespace {

/// Filters at a time, whose gradients of a chunk (192 KiB) stay in a second-level cache; a multiple of 16.
constexpr int64_t kGradientRows = 192;
/// Steps at a time.
constexpr int64_t kGradientSteps = 256;
/// Most operands of neighbouring taps that are taken as the channels of one: a first layer has few of its own.
constexpr int64_t kGradientRun = 64;

template <class V, class Operands>
struct WeightGradientProduct : WeightGradient {
  static constexpr int64_t size = Operands::size;
  static constexpr int64_t perStep = Operands::perStep;
  static constexpr int64_t columns = Tile<V>::columns;
  static constexpr int64_t panelStep = Tile<V>::panelStep;
  /// Most pixels of a chunk.
  static constexpr int64_t chunk = kGradientSteps * perStep;

  uint8_t* panel;
  uint8_t* rowsAt;
  uint8_t* none;
  /// Copies of runs that leave the image, one for each pixel of a chunk.
  uint8_t* sides;
  static constexpr int64_t sideBytes = kGradientRun * size + kOverread;
  /// The taps of a run, side by side, and its operands.
  int64_t runTaps, lanesAll;
  const uint8_t** list;
  TileRow table[kGradientRows];
  int64_t group, first, filters, pixel, count, steps, stride;

  /// Gradients as [step][filters][4 bytes]; floats lie so already.
  void packGradients() {
    const uint8_t* from = gradient + pixel * gradientPixel + (group * width + first) * size;
    const uint8_t* start = from;
    stride = gradientPixel;
    if (size == 1) {
      start = rowsAt;
      stride = ceilDiv(filters, 16) * 64;
      for (int64_t step = 0; step < steps; step++, from += 2 * gradientPixel) {
        const uint8_t* second = 2 * step + 1 < count ? from + gradientPixel : nullptr;
        for (int64_t f = 0; f < filters; f += 16) {
          Operands::storeLine(rowsAt + step * stride + f * 4,
                              Operands::across(from + f, second == nullptr ? none : second + f, 16));
        }
      }
    }
    for (int64_t f = 0; f < filters; f++) {
      table[f] = {start + f * 4, dst + (group * width + first + f) * wFilter};
    }
  }

  /// What the run of a tap reads for each pixel of the chunk, and zeros for one more.
  void listPixels(const PixelWalk& start, int64_t tapY, int64_t tapX) {
    PixelWalk at = start;
    for (int64_t i = 0; i < count; i++, at.next(*this)) {
      const int64_t y = at.y * stepY + offsetY + tapY * tapStepY;
      const int64_t x = at.x * stepX + offsetX + tapX * tapStepX;
      const int64_t skip = larger(0, -x);
      const int64_t inside = smaller(runTaps, srcWidth - x) - skip;
      list[i] = none;
      if (y < 0 || y >= srcHeight || inside <= 0) continue;
      const uint8_t* from =
          src + at.image * srcImage + (y * srcWidth + x + skip) * srcPixel + group * depth * size;
      list[i] = from;
      if (inside == runTaps) continue;
      uint8_t* side = sides + i * sideBytes;
      memset(side, 0, static_cast<size_t>(sideBytes));
      memcpy(side + skip * depth * size, from, static_cast<size_t>(inside * depth * size));
      list[i] = side;
    }
    list[count] = none;
  }

  void packPanel(int64_t c) {
    for (int v = 0; v < V::floatVectors; v++, c += 16) {
      const int64_t lanes = larger(0, smaller(16, lanesAll - c));
      if (lanes == 0) return;
      uint8_t* to = panel + 64 * v;
      for (int64_t i = 0; i < steps * perStep; i += perStep, to += panelStep) {
        Operands::storeLine(to, Operands::across(list[i] + c * size, list[i + perStep - 1] + c * size, lanes));
      }
    }
  }

  Status run() {
    const bool folds = groups == 1 && tapStepX == 1 && srcPixel == depth * size && wTapX == depth * 4 &&
                       depth < columns && depth * tapsX <= kGradientRun;
    runTaps = folds ? tapsX : 1;
    lanesAll = runTaps * depth;
    const int64_t runsX = folds ? 1 : tapsX;
    const int64_t zeroBytes = larger(lanesAll, kGradientRows) * size + kOverread;
    panel = scratch<uint8_t>(kScratchWeights, kGradientSteps * panelStep);
    rowsAt = scratch<uint8_t>(kScratchActivations, kGradientSteps * kGradientRows * 4);
    none = scratch<uint8_t>(kScratchSums, zeroBytes + (folds ? chunk * sideBytes : 0));
    list = scratch<const uint8_t*>(kScratchFloats, chunk + 1);
    if (panel == nullptr || rowsAt == nullptr || none == nullptr || list == nullptr) return kNoMemory;
    memset(none, 0, static_cast<size_t>(zeroBytes));
    sides = none + zeroBytes;
    const int64_t all = pixels();
    for (group = 0; group < groups; group++) {
      for (first = 0; first < width; first += kGradientRows) {
        filters = smaller(kGradientRows, width - first);
        PixelWalk start;
        // Without pixels there is one chunk of no steps, which writes zeros.
        for (pixel = 0; pixel == 0 || pixel < all; pixel += chunk) {
          count = smaller(chunk, all - pixel);
          steps = ceilDiv(count, perStep);
          packGradients();
          for (int64_t run = 0; run < tapsY * runsX; run++) {
            listPixels(start, run / runsX, run % runsX);
            const int64_t place = run / runsX * wTapY + run % runsX * wTapX;
            for (int64_t c = 0; c < lanesAll; c += columns) {
              packPanel(c);
              for (int64_t f = 0; f < filters; f += V::floatRows) {
                multiplyRows<V, Operands, true>(filters - f, table + f, panel, steps, stride, place + c * 4,
                                                lanesAll - c, pixel == 0);
              }
            }
          }
          for (int64_t i = 0; i < count; i++) start.next(*this);
        }
      }
    }
    return kOk;
  }
};

/// Every group has one channel and one filter: lanes run over the groups.
template <class V, class Operands>
void depthwiseGradient(const WeightGradient& g) {
  constexpr int64_t size = Operands::size;
  static const uint8_t none[kOverread] = {};
  for (int64_t c = 0; c < g.groups; c += 16) {
    const int64_t lanes = smaller(16, g.groups - c);
    for (int64_t tap = 0; tap < g.tapsY * g.tapsX; tap++) {
      const int64_t offset = g.offsetX + tap % g.tapsX * g.tapStepX;
      const Inside inside(offset, g.stepX, g.srcWidth, g.cols);
      typename Operands::Sum sum = Operands::zero();
      for (int64_t image = 0; image < g.images; image++) {
        for (int64_t y = 0; y < g.rows; y++) {
          const int64_t sourceY = y * g.stepY + g.offsetY + tap / g.tapsX * g.tapStepY;
          if (sourceY < 0 || sourceY >= g.srcHeight) continue;
          const int64_t sourceX = inside.begin * g.stepX + offset;
          const uint8_t* from = g.src + image * g.srcImage + (sourceY * g.srcWidth + sourceX) * g.srcPixel + c * size;
          const uint8_t* by =
              g.gradient + ((image * g.rows + y) * g.cols + inside.begin) * g.gradientPixel + c * size;
          const int64_t next = g.stepX * g.srcPixel;
          for (int64_t i = 0; i < inside.count(); i += Operands::perStep) {
            const bool isPair = Operands::perStep == 2 && i + 1 < inside.count();
            sum = Operands::step(sum, Operands::across(by, isPair ? by + g.gradientPixel : none, lanes),
                                 Operands::across(from, isPair ? from + next : none, lanes));
            from += Operands::perStep * next;
            by += Operands::perStep * g.gradientPixel;
          }
        }
      }
      uint8_t sums[64];
      Operands::storePart(sums, sum, 16);
      uint8_t* to = g.dst + tap / g.tapsX * g.wTapY + tap % g.tapsX * g.wTapX + c * g.wFilter;
      for (int64_t i = 0; i < lanes; i++, to += g.wFilter) memcpy(to, sums + 4 * i, 4);
    }
  }
}

template <class V, class Operands>
Status weightGradient(const Call& call) {
  WeightGradientProduct<V, Operands> product;
  const Status status = product.read(call, Operands::size);
  if (status != kOk || product.isEmpty()) return status;
  if (!product.isDepthwise()) return product.run();
  depthwiseGradient<V, Operands>(product);
  return kOk;
}

template <class V>
Status convolutionWeightGradientInt8(const Call& call) {
  return weightGradient<V, Int8Operands<V>>(call);
}
template <class V>
Status convolutionWeightGradientF32(const Call& call) {
  return weightGradient<V, FloatOperands<V>>(call);
}

}  // namespace
