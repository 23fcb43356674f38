// Threads that run shares of a kernel. A job is a list of shares; every thread, the calling one included, takes
// shares until none is left, so a thread that the machine does not run takes nothing and delays nobody. Both sides
// spin a bounded time and then wait, because an unbounded spin on a busy machine takes the time the other side needs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "common.h"

/// Bytes of memory, none of which need exist.
struct Bytes {
  const uint8_t* base;
  int64_t size;
};

class Pool {
 public:
  /// Starts `workers` threads; fewer when the system gives no more.
  explicit Pool(int workers);
  ~Pool() { close(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int workers() const { return static_cast<int>(threads_.size()); }

  /// Runs share 0..shares−1 of a kernel (1 to kMaxShares) and returns when all are finished: kOk, or the answer of a
  /// share that failed. Share i has its arguments at first.arguments + i·kArguments. Threads that find no share left, now
  /// and until the next job, fetch `next` into the cache that they share.
  Status run(Kernel kernel, const Call& first, int shares, const Bytes& next);

  /// Ends and joins the threads; the calling thread can still run jobs alone.
  void close();

 private:
  void work();
  /// Index of a share that is now this thread's, or −1.
  int take();
  void runShare(int share);
  /// Fetches what comes next, piece by piece, until it is there or `ready` holds.
  template <class Ready>
  void fetchNext(Ready ready);
  void awaitAll(uint32_t shares);

  /// (generation << 8 | shares left): taking a share is one compare-exchange that lowers the count. A thread with an old value fails, because the generation has changed.
  alignas(64) std::atomic<uint32_t> tickets_{0};
  alignas(64) std::atomic<uint32_t> finished_{0};
  std::atomic<bool> callerWaits_{false};
  /// The processor that the caller was last seen on, −1 where that is not known.
  std::atomic<int> callerProcessor_{-1};
  std::atomic<int32_t> status_{kOk};
  /// What of the bytes to come is being fetched, and where they end.
  alignas(64) std::atomic<const uint8_t*> fetched_{nullptr};
  std::atomic<const uint8_t*> fetchEnd_{nullptr};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};

  // Written by the caller while no share is out, published by the store of the tickets.
  Kernel kernel_ = nullptr;
  Call first_{};
  int shares_ = 0;
  uint32_t generation_ = 0;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
};
