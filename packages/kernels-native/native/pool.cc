#include "pool.h"

#include <signal.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <chrono>
#include <system_error>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kCountMask = 255;
/// How long an idle worker looks for work before it sleeps: longer than what lies between two products of a token.
constexpr auto kWorkerSpin = std::chrono::microseconds(1000);
/// How long the caller looks for the end of shares that others have begun.
constexpr auto kCallerSpin = std::chrono::microseconds(40);
/// How long either looks without offering its processor to others.
constexpr auto kGreedySpin = std::chrono::microseconds(20);
/// How long a thread stays where it is after it has left the processor of its caller.
constexpr auto kStay = std::chrono::milliseconds(20);
/// Bytes fetched between two looks for work, and most for one job: what the time between two products is enough for.
constexpr int64_t kFetchPiece = 1024;
constexpr int64_t kMostFetched = int64_t{2} << 20;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

/// Polls `ready` for about `limit`; true as soon as it holds. All but the beginning of the time is offered to other
/// threads of this processor.
template <class Ready>
bool spin(Clock::duration limit, Ready ready) {
  for (int i = 0; i < 32; i++) {
    if (ready()) return true;
    relax();
  }
  const Clock::time_point start = Clock::now();
  for (;;) {
    for (int i = 0; i < 16; i++) {
      if (ready()) return true;
      relax();
    }
    const Clock::duration spent = Clock::now() - start;
    if (spent > limit) return false;
    if (spent > kGreedySpin) std::this_thread::yield();
  }
}

#if defined(__linux__)
int currentProcessor() { return sched_getcpu(); }

/// Moves this thread away from a processor, where it may run on another one.
void leaveProcessor(int processor) {
  cpu_set_t allowed;
  if (processor < 0 || processor >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<size_t>(processor), &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
int currentProcessor() { return -1; }
void leaveProcessor(int) {}
#endif

}  // namespace

Pool::Pool(int workers) {
  threads_.reserve(static_cast<size_t>(workers));
  // Signals belong to the threads of Node: a new thread inherits a mask of all of them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (int i = 0; i < workers; i++) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The work is done by fewer.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pool::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int Pool::take() {
  uint32_t tickets = tickets_.load(std::memory_order_acquire);
  while ((tickets & kCountMask) != 0) {
    if (tickets_.compare_exchange_weak(tickets, tickets - 1, std::memory_order_acq_rel)) {
      // In order, because what was fetched beforehand is where the first begin.
      return shares_ - static_cast<int>(tickets & kCountMask);
    }
  }
  return -1;
}

void Pool::runShare(int share) {
  const Call call{first_.arguments + share * kArguments, first_.memory, first_.bytes};
  const Status status = kernel_(call);
  if (status != kOk) status_.store(status, std::memory_order_relaxed);
}

template <class Ready>
void Pool::fetchNext(Ready ready) {
  uint8_t sink = 0;
  while (!ready()) {
    if (fetched_.load(std::memory_order_relaxed) >= fetchEnd_.load(std::memory_order_relaxed)) break;
    const uint8_t* piece = fetched_.fetch_add(kFetchPiece, std::memory_order_relaxed);
    // Every end lies in memory, whichever job it is of: so does a piece before one.
    if (piece + kFetchPiece > fetchEnd_.load(std::memory_order_relaxed)) break;
    // Loads, because prefetches are dropped when too many are under way; atomic, because others may write there.
    for (int64_t i = 0; i < kFetchPiece; i += 64) sink ^= __atomic_load_n(piece + i, __ATOMIC_RELAXED);
  }
  __asm__ volatile("" : : "r"(sink));
}

void Pool::work() {
  // In the one order of all: a worker that counts itself as asleep and finds no tickets then is seen by the caller that
  // brings them.
  const auto ready = [this] {
    return (tickets_.load(std::memory_order_seq_cst) & kCountMask) != 0 || stop_.load(std::memory_order_relaxed);
  };
  Clock::time_point left{};
  while (!stop_.load()) {
    // A thread that is woken is often put on the processor of the one that woke it, and taken away only after some tens
    // of milliseconds. It leaves before it takes a share, because the other processor may be busy; and seldom, because
    // the move costs as much as a small product.
    const int caller = callerProcessor_.load(std::memory_order_relaxed);
    if (caller >= 0 && caller == currentProcessor() && Clock::now() - left > kStay) {
      left = Clock::now();
      leaveProcessor(caller);
    }
    for (int share = take(); share >= 0; share = take()) {
      runShare(share);
      finished_.fetch_add(1);
      if (callerWaits_.load()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
    fetchNext(ready);
    if (spin(kWorkerSpin, ready)) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);
    work_.wait(lock, ready);
    sleepers_.fetch_sub(1);
  }
}

Status Pool::run(Kernel kernel, const Call& first, int shares, const Bytes& next) {
  kernel_ = kernel;
  first_ = first;
  shares_ = shares;
  if (next.size > 0) {
    fetchEnd_.store(nullptr, std::memory_order_relaxed);
    fetched_.store(next.base, std::memory_order_relaxed);
    fetchEnd_.store(next.base + (next.size < kMostFetched ? next.size : kMostFetched), std::memory_order_relaxed);
  }
  status_.store(kOk, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  callerProcessor_.store(currentProcessor(), std::memory_order_relaxed);
  generation_ = (generation_ + 1) & 0xffffff;
  tickets_.store(generation_ << 8 | static_cast<uint32_t>(shares));
  if (sleepers_.load() > 0) {
    // Taken and left at once: a worker between its last look and its sleep holds it.
    { const std::lock_guard<std::mutex> lock(mutex_); }
    work_.notify_all();
  }
  for (int share = take(); share >= 0; share = take()) {
    runShare(share);
    finished_.fetch_add(1);
  }
  awaitAll(static_cast<uint32_t>(shares));
  return static_cast<Status>(status_.load(std::memory_order_relaxed));
}

void Pool::awaitAll(uint32_t shares) {
  const auto finished = [this, shares] { return finished_.load() == shares; };
  if (spin(kCallerSpin, finished)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  callerWaits_.store(true);
  done_.wait(lock, finished);
  callerWaits_.store(false);
}
