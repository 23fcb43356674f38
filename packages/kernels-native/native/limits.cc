#include "limits.h"

#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Waits for all of `count` threads, several times in a row.
class Gate {
 public:
  explicit Gate(uint32_t count) : count_(count) {}

  void pass() {
    const uint32_t round = round_.load();
    if (arrived_.fetch_add(1) + 1 == count_) {
      arrived_.store(0);
      round_.fetch_add(1);
      return;
    }
    // Spins: a sleep would be part of what is measured.
    for (uint32_t i = 1; round_.load() == round; i++) {
      if (i % 4096 == 0) std::this_thread::yield();
    }
  }

 private:
  const uint32_t count_;
  std::atomic<uint32_t> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

}  // namespace

double measurePeak(const Isa& isa, int kind, double milliseconds) {
  double best = 0;
  const Clock::time_point start = Clock::now();
  // About a tenth of a millisecond: short enough that some sample is not interrupted.
  int64_t iterations = 1024;
  do {
    const Clock::time_point sample = Clock::now();
    const double operations = isa.peak(kind, iterations);
    const double seconds = secondsSince(sample);
    if (seconds < 1e-4) iterations *= 2;
    else if (operations / seconds > best) best = operations / seconds;
  } while (secondsSince(start) * 1000 < milliseconds);
  return best;
}

double measureRead(const Isa& isa, double bytes, int threads, double milliseconds) {
  const int64_t part = static_cast<int64_t>(bytes / threads) / 4096 * 4096;
  if (part <= 0) return 0;
  const size_t size = static_cast<size_t>(part) * static_cast<size_t>(threads);
  void* memory = nullptr;
  if (posix_memalign(&memory, 4096, size) != 0) return 0;
  uint8_t* from = static_cast<uint8_t*>(memory);
  memset(from, 1, size);
  Gate gate(static_cast<uint32_t>(threads));
  enum State : int { kStarting, kRunning, kEnd };
  std::atomic<int> state{kStarting};
  std::atomic<int32_t> sink{0};
  double best = 0;
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < threads; i++) {
      others.emplace_back([&, i] {
        while (state.load() == kStarting) std::this_thread::yield();
        while (state.load() == kRunning) {
          gate.pass();
          sink.fetch_xor(isa.read(from + i * part, part));
          gate.pass();
        }
      });
    }
    state.store(kRunning);
  } catch (const std::system_error&) {
    // With a thread missing the gate would never open: no measure.
    state.store(kEnd);
  }
  const Clock::time_point start = Clock::now();
  while (state.load() == kRunning) {
    gate.pass();
    const Clock::time_point sample = Clock::now();
    sink.fetch_xor(isa.read(from, part));
    // Everyone looks at the state after the second gate.
    if (secondsSince(start) * 1000 >= milliseconds) state.store(kEnd);
    gate.pass();
    const double rate = static_cast<double>(size) / secondsSince(sample);
    if (rate > best) best = rate;
  }
  for (std::thread& thread : others) thread.join();
  free(memory);
  return best;
}
