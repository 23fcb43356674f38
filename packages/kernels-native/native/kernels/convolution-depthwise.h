// The gather product where every group has one channel and one output: lanes run over the groups. The taps of a pixel
// become a list of pointers, and a tap outside of the image points to zeros. A step is two taps of int8, one of float32.
#pragma once

#include "convolution-tile.h"

namespace {

/// int32 sums become float32, times the scale of their column.
template <class V>
void scaleRow(uint8_t* row, const uint8_t* scale, int64_t count) {
  for (int64_t i = 0; i < count; i += 16, row += 64, scale += 64) {
    const int64_t lanes = smaller(16, count - i);
    const typename V::F sums = V::toFloat(Int8Operands<V>::loadPart(row, lanes));
    FloatOperands<V>::storePart(row, V::mul(sums, FloatOperands<V>::loadPart(scale, lanes)), lanes);
  }
}

template <class V, class Operands>
Status depthwise(const Gather& g) {
  constexpr int64_t perStep = Operands::perStep;
  const int64_t taps = g.tapsY * g.tapsX;
  const int64_t steps = ceilDiv(taps, perStep);
  const int64_t lanes = ceilDiv(g.groups, 16) * 16;
  uint8_t* const weights = scratch<uint8_t>(kScratchWeights, steps * lanes * 4);
  const uint8_t** const list = scratch<const uint8_t*>(kScratchFloats, taps + 1);
  uint8_t* const none = scratch<uint8_t>(kScratchActivations, lanes * Operands::size + kOverread);
  if (weights == nullptr || list == nullptr || none == nullptr) return kNoMemory;
  memset(none, 0, static_cast<size_t>(lanes * Operands::size + kOverread));
  memset(weights, 0, static_cast<size_t>(steps * lanes * 4));
  for (int64_t tap = 0; tap < taps; tap++) {
    const uint8_t* from = g.weights + tap / g.tapsX * g.wTapY + tap % g.tapsX * g.wTapX;
    uint8_t* const to = weights + tap / perStep * lanes * 4;
    for (int64_t c = 0; c < g.groups; c++) Operands::put(to + c * 4, tap % perStep, from + c * g.wGroup);
  }
  PixelWalk at;
  for (int64_t pixel = g.pixels(); pixel > 0; pixel--, at.next(g)) {
    for (int64_t tap = 0; tap < taps; tap++) {
      const uint8_t* from = g.pixel(g.src + at.image * g.srcImage,
                                    at.y * g.stepY + g.offsetY + tap / g.tapsX * g.tapStepY,
                                    at.x * g.stepX + g.offsetX + tap % g.tapsX * g.tapStepX);
      list[tap] = from == nullptr ? none : from;
    }
    list[taps] = none;
    uint8_t* const to = g.dst + at.image * g.dstImage + at.y * g.dstRow + at.x * g.dstCol;
    for (int64_t c = 0; c < g.groups; c += 16) {
      typename Operands::Sum sum = Operands::zero();
      const int64_t part = smaller(16, g.groups - c);
      for (int64_t step = 0; step < steps; step++) {
        const uint8_t* const* taken = list + step * perStep;
        const uint8_t* const w = weights + (step * lanes + c) * 4;
        const typename Operands::Line x =
            Operands::across(taken[0] + c * Operands::size, taken[perStep - 1] + c * Operands::size, part);
        sum = Operands::step(sum, Operands::line(w), x);
      }
      Operands::storePart(to + c * 4, sum, part);
    }
    if (g.scale != nullptr) scaleRow<V>(to, g.scale, g.groups);
  }
  return kOk;
}

}  // namespace
