// Pooling of int8 and float32, and the gradient of the latter. Channels are taken kPoolLanes at a time in plain loops,
// which the compiler turns into vectors; the taps of a window inside of the image are a rectangle.
#pragma once

#include "convolution-arguments.h"

namespace {

constexpr int64_t kPoolLanes = 64;

/// The window of one output pixel, for a block of channels.
struct PoolWindow {
  const Pooling& pooling;
  Inside vertical, horizontal;
  int64_t image, y, x, channel, lanes;

  int64_t count() const { return vertical.count() * horizontal.count(); }
  /// Bytes from the operand of the shape of the pooled to this window's pixel, for operands of `size` bytes.
  int64_t place(int64_t size) const {
    return image * pooling.dstImage + (y * pooling.cols + x) * pooling.dstPixel + channel * size;
  }
  /// Calls tap(bytes into the operand of the shape of the source, index) in order.
  template <class Tap>
  void each(int64_t size, Tap tap) const {
    int64_t index = 0;
    for (int64_t ky = vertical.begin; ky < vertical.end; ky++) {
      const int64_t row = y * pooling.stepY + pooling.offsetY + ky * pooling.tapStepY;
      for (int64_t kx = horizontal.begin; kx < horizontal.end; kx++) {
        const int64_t column = x * pooling.stepX + pooling.offsetX + kx * pooling.tapStepX;
        tap(image * pooling.srcImage + (row * pooling.srcWidth + column) * pooling.srcPixel + channel * size, index++);
      }
    }
  }
};

/// Calls visit(window) for every output pixel and block of channels.
template <class Visit>
void forPoolWindows(const Pooling& p, Visit visit) {
  PixelWalk at;
  for (int64_t i = p.pixels(); i > 0; i--, at.next(p)) {
    const Inside vertical(at.y * p.stepY + p.offsetY, p.tapStepY, p.srcHeight, p.tapsY);
    const Inside horizontal(at.x * p.stepX + p.offsetX, p.tapStepX, p.srcWidth, p.tapsX);
    for (int64_t c = 0; c < p.lanes; c += kPoolLanes) {
      visit(PoolWindow{p, vertical, horizontal, at.image, at.y, at.x, c, smaller(kPoolLanes, p.lanes - c)});
    }
  }
}

/// sum / count rounded to nearest, ties to even.
inline int32_t roundedMean(int32_t sum, int32_t count) {
  int32_t quotient = sum / count;
  int32_t rest = sum % count;
  if (rest < 0) {
    rest += count;
    quotient--;
  }
  const int64_t twice = int64_t{2} * rest;
  return quotient + (twice > count || (twice == count && quotient % 2 != 0) ? 1 : 0);
}

template <class V>
Status pooling(const Call& call) {
  Pooling p;
  const Status status = p.read(call, 1, false);
  if (status != kOk || p.lanes == 0) return status;
  forPoolWindows(p, [&](const PoolWindow& window) {
    int8_t* const to = reinterpret_cast<int8_t*>(p.dst + window.place(1));
    const int64_t lanes = window.lanes;
    if (window.count() == 0) {
      memset(to, 0, static_cast<size_t>(lanes));
    } else if (p.isMax) {
      int8_t most[kPoolLanes];
      memset(most, -128, sizeof most);
      window.each(1, [&](int64_t place, int64_t) {
        const int8_t* from = reinterpret_cast<const int8_t*>(p.src + place);
        for (int64_t c = 0; c < lanes; c++) most[c] = from[c] > most[c] ? from[c] : most[c];
      });
      memcpy(to, most, static_cast<size_t>(lanes));
    } else {
      int32_t sums[kPoolLanes] = {};
      window.each(1, [&](int64_t place, int64_t) {
        const int8_t* from = reinterpret_cast<const int8_t*>(p.src + place);
        for (int64_t c = 0; c < lanes; c++) sums[c] += from[c];
      });
      const int32_t count = static_cast<int32_t>(window.count());
      for (int64_t c = 0; c < lanes; c++) to[c] = static_cast<int8_t>(roundedMean(sums[c], count));
    }
  });
  return kOk;
}

template <class V>
Status poolingF32(const Call& call) {
  Pooling p;
  const Status status = p.read(call, 4, false);
  if (status != kOk || p.lanes == 0) return status;
  forPoolWindows(p, [&](const PoolWindow& window) {
    float* const to = reinterpret_cast<float*>(p.dst + window.place(4));
    const int64_t lanes = window.lanes;
    float result[kPoolLanes];
    for (float& value : result) value = p.isMax && window.count() > 0 ? -__builtin_inff() : 0.0f;
    window.each(4, [&](int64_t place, int64_t) {
      const float* from = reinterpret_cast<const float*>(p.src + place);
      if (p.isMax) {
        for (int64_t c = 0; c < lanes; c++) result[c] = from[c] > result[c] ? from[c] : result[c];
      } else {
        for (int64_t c = 0; c < lanes; c++) result[c] += from[c];
      }
    });
    if (!p.isMax && window.count() > 0) {
      const float count = static_cast<float>(window.count());
      for (int64_t c = 0; c < lanes; c++) result[c] /= count;
    }
    memcpy(to, result, static_cast<size_t>(lanes) * 4);
  });
  return kOk;
}

template <class V>
Status poolingGradientF32(const Call& call) {
  Pooling p;
  const Status status = p.read(call, 4, true);
  if (status != kOk || p.lanes == 0) return status;
  for (int64_t image = 0; image < p.images; image++) {
    for (int64_t pixel = 0; pixel < p.srcHeight * p.srcWidth; pixel++) {
      memset(p.dst + image * p.srcImage + pixel * p.srcPixel, 0, static_cast<size_t>(p.lanes) * 4);
    }
  }
  forPoolWindows(p, [&](const PoolWindow& window) {
    const float* const from = reinterpret_cast<const float*>(p.gradient + window.place(4));
    const int64_t lanes = window.lanes;
    if (p.isMax) {
      float most[kPoolLanes];
      int32_t best[kPoolLanes];
      for (int64_t c = 0; c < kPoolLanes; c++) {
        most[c] = -__builtin_inff();
        best[c] = -1;
      }
      window.each(4, [&](int64_t place, int64_t index) {
        const float* values = reinterpret_cast<const float*>(p.src + place);
        for (int64_t c = 0; c < lanes; c++) {
          const bool more = values[c] > most[c];
          best[c] = more ? static_cast<int32_t>(index) : best[c];
          most[c] = more ? values[c] : most[c];
        }
      });
      window.each(4, [&](int64_t place, int64_t index) {
        float* to = reinterpret_cast<float*>(p.dst + place);
        // Adding +0 elsewhere changes nothing: no sum here is −0.
        for (int64_t c = 0; c < lanes; c++) to[c] += best[c] == index ? from[c] : 0.0f;
      });
    } else if (window.count() > 0) {
      float share[kPoolLanes];
      const float count = static_cast<float>(window.count());
      for (int64_t c = 0; c < lanes; c++) share[c] = from[c] / count;
      window.each(4, [&](int64_t place, int64_t) {
        float* to = reinterpret_cast<float*>(p.dst + place);
        for (int64_t c = 0; c < lanes; c++) to[c] += share[c];
      });
    }
  });
  return kOk;
}

}  // namespace
