// An open arena: the memory that calls work on, the table of an instruction set, and the threads.
#pragma once

#include <stdint.h>

#include <memory>

#include "isa.h"
#include "pool.h"

class Handle {
 public:
  Handle(const Isa& isa, uint8_t* memory, const double* arguments, int threads)
      : isa_(isa), memory_(memory), arguments_(arguments), pool_(std::make_unique<Pool>(threads - 1)) {}

  /// Runs one kernel on this thread, with the arguments of share 0.
  Status call(int kernel) const {
    if (pool_ == nullptr) return kClosed;
    if (kernel < 0 || kernel >= kKernelCount) return kUnknownKernel;
    return isa_.kernels[kernel](first());
  }

  /// Runs shares 0..shares−1 of one kernel on all threads.
  Status run(int kernel, int shares) {
    if (pool_ == nullptr) return kClosed;
    if (kernel < 0 || kernel >= kKernelCount) return kUnknownKernel;
    if (shares < 0 || shares > kMaxShares) return kBadArgument;
    if (shares == 0) return kOk;
    return pool_->run(isa_.kernels[kernel], first(), shares, next());
  }

  /// Threads that take part, the calling one included.
  int threads() const { return pool_ == nullptr ? 0 : pool_->workers() + 1; }

  /// Ends the threads. From now on every call answers kClosed and touches no memory.
  void close() { pool_.reset(); }

 private:
  /// What is read after this job, as far as it lies in memory; nothing where it does not begin there.
  Bytes next() const {
    const double at = arguments_[kNextWord], size = arguments_[kNextWord + 1], bytes = arguments_[kBytesWord];
    if (!(at >= 0 && size > 0 && at + size <= bytes)) return {memory_, 0};
    return {memory_ + static_cast<int64_t>(at), static_cast<int64_t>(size)};
  }

  Call first() const { return {arguments_, memory_, arguments_[kBytesWord]}; }

  const Isa& isa_;
  uint8_t* const memory_;
  const double* const arguments_;
  std::unique_ptr<Pool> pool_;
};
