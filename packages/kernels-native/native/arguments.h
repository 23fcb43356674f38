// Arguments of a kernel: float64 numbers turned into sizes, strides and addresses, each checked once, at entry. An
// operand that leaves the memory, or a number that is no whole number, is remembered and answered as a status, so wrong
// pointers never crash the process. A kernel computes when `status()` is kOk; one that takes addresses from data (rows by
// their ids) checks each as it comes to it, and may have written the rows before. Counts are bounded by the bytes of the
// memory even where strides of 0 or rows without bytes would let any number lie in it: a call ends.
#pragma once

#include "common.h"

namespace {

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Where an operand lies, in bytes: rows of `rowStride` within batches of `batchStride`.
struct Operand {
  uint8_t* base;
  int64_t batchStride;
  int64_t rowStride;

  uint8_t* row(int64_t batch, int64_t row) const { return base + batch * batchStride + row * rowStride; }
  template <class T>
  T* at(int64_t batch, int64_t r) const {
    return reinterpret_cast<T*>(row(batch, r));
  }
};

class Arguments {
 public:
  explicit Arguments(const Call& call) : call_(call) {}

  /// The argument as it is.
  double number(int i) const { return call_.arguments[i]; }

  float scalar(int i) const { return static_cast<float>(call_.arguments[i]); }

  /// A whole number from 0 to 2^33: no operand of a memory of 4 GiB has more of anything.
  int64_t size(int i) {
    const int64_t value = whole(i);
    const bool fits = value >= 0 && value <= kMostItems;
    if (!fits) status_ = kBadArgument;
    return fits ? value : 0;
  }

  /// A whole number of either sign.
  int64_t whole(int i) {
    const double value = call_.arguments[i];
    // Also false for NaN. 2^46 is far past any memory, and products of two such fit the float64 of the checks.
    if (!(value > -kLimit && value < kLimit) || value != static_cast<double>(static_cast<int64_t>(value))) {
      status_ = kBadArgument;
      return 0;
    }
    return static_cast<int64_t>(value);
  }

  /// Operand at arguments i (pointer), i + 1 (batch stride), i + 2 (row stride).
  Operand rows(int i, int64_t batch, int64_t rows, int64_t rowBytes) {
    const Operand operand = place(whole(i), batch, whole(i + 1), rows, whole(i + 2), rowBytes);
    bound(static_cast<double>(larger(1, batch)) * static_cast<double>(larger(1, rows)));
    return operand;
  }

  /// The same for an operand that is written, whose rows lie apart.
  Operand results(int i, int64_t batch, int64_t rows, int64_t rowBytes) {
    const Operand operand = this->rows(i, batch, rows, rowBytes);
    bound(static_cast<double>(batch) * static_cast<double>(rows) * static_cast<double>(rowBytes));
    return operand;
  }

  /// Results at arguments i (pointer) and i + 1 (row stride).
  Operand results(int i, int64_t rows, int64_t rowBytes) {
    const Operand operand = place(whole(i), 1, 0, rows, whole(i + 1), rowBytes);
    bound(static_cast<double>(rows) * static_cast<double>(rowBytes));
    return operand;
  }

  /// `bytes` bytes of row `index`, of rows that are `stride` bytes apart.
  uint8_t* indexed(int64_t pointer, int64_t index, int64_t stride, int64_t bytes) {
    const double at = static_cast<double>(pointer) + static_cast<double>(index) * static_cast<double>(stride);
    if (!(at >= 0 && at + static_cast<double>(bytes) <= call_.bytes)) {
      refuse(kOutside);
      return call_.memory;
    }
    return call_.memory + pointer + index * stride;
  }

  /// `bytes` contiguous bytes at argument i.
  uint8_t* block(int i, int64_t bytes) { return place(whole(i), 1, 0, 1, 0, bytes).base; }

  /// An operand from its numbers. Float64 is exact far past the memory, and rounds to the same side beyond.
  Operand place(int64_t pointer, int64_t batch, int64_t batchStride, int64_t rows, int64_t rowStride,
                int64_t rowBytes) {
    if (batch > 0 && rows > 0 && rowBytes > 0) {
      const double batches = static_cast<double>(batch - 1) * static_cast<double>(batchStride);
      const double lines = static_cast<double>(rows - 1) * static_cast<double>(rowStride);
      const double low = static_cast<double>(pointer) + (batches < 0 ? batches : 0) + (lines < 0 ? lines : 0);
      const double high = static_cast<double>(pointer) + (batches > 0 ? batches : 0) + (lines > 0 ? lines : 0) +
                          static_cast<double>(rowBytes);
      if (!(low >= 0 && high <= call_.bytes) && status_ == kOk) status_ = kOutside;
    }
    if (batch > 0 && rows > 0) bound(static_cast<double>(larger(batch, rows)));
    return {call_.memory + pointer, batchStride, rowStride};
  }

  /// First byte past the memory: what lies below may be read.
  const uint8_t* end() const { return call_.memory + static_cast<int64_t>(call_.bytes); }

  void refuse(Status status) {
    if (status_ == kOk) status_ = status;
  }

  /// Refuses more of something than the memory has bytes.
  void bound(double count) {
    if (!(count <= call_.bytes)) refuse(kBadArgument);
  }

  Status status() const { return status_; }

 private:
  static constexpr double kLimit = 70368744177664.0;  // 2^46

  static constexpr int64_t kMostItems = int64_t{1} << 33;

  const Call& call_;
  Status status_ = kOk;
};

/// A number that is a constant inside of a function.
template <int i>
struct Index {
  static constexpr int value = i;
};

/// f(Index<0>), f(Index<1>), ..., f(Index<count - 1>). In place of a loop over an array of vectors, whose elements
/// become registers only when each is named by a constant. `f` itself is to be BITLOOM_INLINE.
template <int count, int i = 0, class Function>
BITLOOM_INLINE inline void unrolled(const Function& f) {
  if constexpr (i < count) {
    f(Index<i>{});
    unrolled<count, i + 1>(f);
  }
}

/// Scratch memory of this thread as elements of T.
template <class T>
T* scratch(ScratchSlot slot, int64_t count) {
  return static_cast<T*>(threadScratch(slot, static_cast<size_t>(count) * sizeof(T)));
}

constexpr int kFlagContinue = 1;
constexpr int kFlagFinish = 2;

}  // namespace
