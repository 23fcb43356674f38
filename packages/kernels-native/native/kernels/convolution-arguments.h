// Arguments of convolutions and poolings: the plans that JavaScript makes (convolution-plan.ts of the kernels package),
// checked as a whole, so that nothing they lead to lies outside of the memory. Vectors may read up to kOverread bytes past
// an operand, which every allocation of an arena allows.
#pragma once

#include "../arguments.h"

namespace {

constexpr int64_t kOverread = 64;

/// Reads arguments one after the other.
class Reader {
 public:
  explicit Reader(const Call& call) : arguments_(call) {}

  int64_t size() { return arguments_.size(next_++); }
  int64_t whole() { return arguments_.whole(next_++); }
  Arguments& arguments() { return arguments_; }

 private:
  Arguments arguments_;
  int next_ = 0;
};

/// The product of sizes, which float64 holds however large they are.
template <class... Sizes>
double product(Sizes... sizes) {
  return (static_cast<double>(sizes) * ...);
}

/// The same with 1 in place of 0: a count of 0 hides none of the others.
template <class... Sizes>
double productOfSome(Sizes... sizes) {
  return (static_cast<double>(larger(1, sizes)) * ...);
}

/// No coordinate of a pixel is larger, so that sums of two never overflow.
constexpr double kFarthest = 70368744177664.0;  // 2^46

/// The lowest and highest byte reached by steps along several axes.
struct Extent {
  double low = 0, high = 0;
  bool empty = false;

  void axis(int64_t count, double stride) {
    if (count <= 0) empty = true;
    const double reach = static_cast<double>(count - 1) * stride;
    (reach < 0 ? low : high) += reach;
  }
  void axis(int64_t count, int64_t stride) { axis(count, static_cast<double>(stride)); }
};

/// The pointer of an operand of `extent`, of `bytes` at each place; refused where it leaves the memory.
inline uint8_t* placed(Arguments& arguments, const Call& call, int64_t pointer, const Extent& extent, double bytes) {
  if (!extent.empty && bytes > 0) {
    const double from = static_cast<double>(pointer) + extent.low;
    const double to = static_cast<double>(pointer) + extent.high + bytes;
    if (!(from >= 0 && to <= call.bytes)) arguments.refuse(kOutside);
  }
  return call.memory + pointer;
}

/// Where windows lie: source pixels, output pixels, taps.
struct Windows {
  int64_t images, srcImage, dstImage = 0, srcHeight, srcWidth, srcPixel, rows, cols;
  int64_t stepY, stepX, tapsY, tapsX, offsetY, offsetX, tapStepY, tapStepX;

  void readPlacing(Reader& r) {
    stepY = r.size();
    stepX = r.size();
    tapsY = r.size();
    tapsX = r.size();
    offsetY = r.whole();
    offsetX = r.whole();
    tapStepY = r.size();
    tapStepX = r.size();
    if (stepY == 0 || stepX == 0) r.arguments().refuse(kBadArgument);
  }

  Extent source() const {
    Extent extent;
    extent.axis(images, srcImage);
    extent.axis(srcHeight, product(srcWidth, srcPixel));
    extent.axis(srcWidth, srcPixel);
    return extent;
  }

  /// Refuses counts that no memory of this size can hold: strides of 0 would hide them. `lanes` are the results of an
  /// output pixel, `taps` the weights or results of the taps.
  void checkCounts(Reader& r, double lanes, double taps) const {
    Arguments& a = r.arguments();
    a.bound(productOfSome(images, srcHeight, srcWidth));
    a.bound(productOfSome(images, rows, cols) * lanes);
    a.bound(taps);
    const bool isNear = product(rows, stepY) <= kFarthest && product(cols, stepX) <= kFarthest &&
                        product(tapsY, tapStepY) <= kFarthest && product(tapsX, tapStepX) <= kFarthest;
    if (!isNear) a.refuse(kBadArgument);
  }

  /// The tap's pixel, or null outside of the image.
  const uint8_t* pixel(const uint8_t* image, int64_t y, int64_t x) const {
    if (y < 0 || x < 0 || y >= srcHeight || x >= srcWidth) return nullptr;
    return image + (y * srcWidth + x) * srcPixel;
  }

  int64_t pixels() const { return images * rows * cols; }
};

/// A walk over the output pixels of all images.
struct PixelWalk {
  int64_t image = 0, y = 0, x = 0;

  void next(const Windows& w) {
    if (++x < w.cols) return;
    x = 0;
    if (++y < w.rows) return;
    y = 0;
    image++;
  }
};

/// Forward convolution and input gradient.
struct Gather : Windows {
  int64_t dstRow, dstCol, depth, width, groups, wFilter, wDepth, wTapY, wTapX, wGroup;
  const uint8_t* src;
  const uint8_t* weights;
  uint8_t* dst;
  const uint8_t* scale;

  Status read(const Call& call, int64_t size) {
    Reader r(call);
    images = r.size();
    srcImage = r.size();
    dstImage = r.size();
    srcHeight = r.size();
    srcWidth = r.size();
    srcPixel = r.size();
    rows = r.size();
    cols = r.size();
    dstRow = r.size();
    dstCol = r.size();
    readPlacing(r);
    depth = r.size();
    width = r.size();
    groups = r.size();
    wFilter = r.whole();
    wDepth = r.whole();
    wTapY = r.whole();
    wTapX = r.whole();
    wGroup = r.whole();
    checkCounts(r, productOfSome(groups, width), productOfSome(groups, width, depth, tapsY, tapsX));
    // Without channels, or without taps, there is nothing to sum.
    if (depth == 0 || tapsY == 0 || tapsX == 0) depth = tapsY = tapsX = 0;
    Extent output, kernel, factors;
    output.axis(images, dstImage);
    output.axis(rows, dstRow);
    output.axis(cols, dstCol);
    kernel.axis(groups, wGroup);
    kernel.axis(width, wFilter);
    kernel.axis(depth, wDepth);
    kernel.axis(tapsY, wTapY);
    kernel.axis(tapsX, wTapX);
    Arguments& a = r.arguments();
    src = placed(a, call, r.whole(), source(), product(groups, depth, size) + kOverread);
    weights = placed(a, call, r.whole(), kernel, static_cast<double>(size + kOverread));
    dst = placed(a, call, r.whole(), output, product(groups, width, 4));
    const int64_t scalePlace = r.whole();
    scale = scalePlace == 0 ? nullptr : placed(a, call, scalePlace, factors, product(groups, width, 4));
    return a.status();
  }

  bool isDepthwise() const { return depth == 1 && width == 1 && groups > 1; }
  /// Whether there is no result, so that counts without an operand behind them may be of any size.
  bool isEmpty() const { return images == 0 || rows == 0 || cols == 0 || groups == 0 || width == 0; }
};

/// Weight gradient.
struct WeightGradient : Windows {
  int64_t gradientPixel, depth, width, groups, wFilter, wTapY, wTapX;
  const uint8_t* src;
  const uint8_t* gradient;
  uint8_t* dst;

  Status read(const Call& call, int64_t size) {
    Reader r(call);
    images = r.size();
    srcImage = r.size();
    srcHeight = r.size();
    srcWidth = r.size();
    srcPixel = r.size();
    rows = r.size();
    cols = r.size();
    gradientPixel = r.size();
    readPlacing(r);
    depth = r.size();
    width = r.size();
    groups = r.size();
    wFilter = r.size();
    wTapY = r.size();
    wTapX = r.size();
    checkCounts(r, 1, productOfSome(groups, width, depth, tapsY, tapsX));
    Extent gradients, output;
    gradients.axis(images, product(rows, cols, gradientPixel));
    gradients.axis(rows, product(cols, gradientPixel));
    gradients.axis(cols, gradientPixel);
    output.axis(groups, product(width, wFilter));
    output.axis(width, wFilter);
    output.axis(tapsY, wTapY);
    output.axis(tapsX, wTapX);
    Arguments& a = r.arguments();
    src = placed(a, call, r.whole(), source(), product(groups, depth, size) + kOverread);
    gradient = placed(a, call, r.whole(), gradients, product(groups, width, size) + kOverread);
    dst = placed(a, call, r.whole(), output, product(depth, 4));
    return a.status();
  }

  bool isDepthwise() const { return depth == 1 && width == 1 && groups > 1; }
  /// Whether there is no result, so that counts without an operand behind them may be of any size.
  bool isEmpty() const { return groups == 0 || width == 0 || depth == 0 || tapsY == 0 || tapsX == 0; }
};

/// Pooling, or its gradient.
struct Pooling : Windows {
  int64_t dstPixel, lanes;
  bool isMax;
  const uint8_t* src;
  uint8_t* dst;
  const uint8_t* gradient;

  Status read(const Call& call, int64_t size, bool isGradient) {
    Reader r(call);
    images = r.size();
    srcImage = r.size();
    dstImage = r.size();
    srcHeight = r.size();
    srcWidth = r.size();
    srcPixel = r.size();
    rows = r.size();
    cols = r.size();
    dstPixel = r.size();
    readPlacing(r);
    if (tapStepY == 0 || tapStepX == 0) r.arguments().refuse(kBadArgument);
    isMax = r.whole() == 0;
    lanes = r.size();
    checkCounts(r, productOfSome(lanes), 1);
    Extent pooled;
    pooled.axis(images, dstImage);
    pooled.axis(rows, product(cols, dstPixel));
    pooled.axis(cols, dstPixel);
    Arguments& a = r.arguments();
    src = placed(a, call, r.whole(), source(), product(lanes, size));
    dst = placed(a, call, r.whole(), isGradient ? source() : pooled, product(lanes, size));
    const int64_t gradientPlace = r.whole();
    gradient = isGradient ? placed(a, call, gradientPlace, pooled, product(lanes, size)) : nullptr;
    return a.status();
  }
};

/// The range of 0..count whose places offset + i·step lie in 0..size, for steps of at least 1.
struct Inside {
  int64_t begin, end;

  Inside(int64_t offset, int64_t step, int64_t size, int64_t count) {
    begin = offset >= 0 ? 0 : ceilDiv(-offset, step);
    end = offset >= size ? 0 : smaller(count, (size - 1 - offset) / step + 1);
    if (end < begin) end = begin;
  }
  int64_t count() const { return end - begin; }
};

}  // namespace
