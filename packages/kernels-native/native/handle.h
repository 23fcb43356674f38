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
    return pool_->run(isa_.kernels[kernel], first(), shares);
  }

  /// Threads that take part, the calling one included.
  int threads() const { return pool_ == nullptr ? 0 : pool_->workers() + 1; }

  /// Ends the threads. From now on every call answers kClosed and touches no memory.
  void close() { pool_.reset(); }

 private:
  Call first() const { return {arguments_, memory_, arguments_[kBytesWord]}; }

  const Isa& isa_;
  uint8_t* const memory_;
  const double* const arguments_;
  std::unique_ptr<Pool> pool_;
};
