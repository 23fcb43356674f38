// What every file of the addon shares: sizes of the argument block, what a kernel is, and what it answers.
// It is included by files compiled for different instruction sets, so it defines no function with external linkage
// and instantiates nothing of the standard library: the linker would keep one copy, perhaps of the wrong set.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// float64 arguments of one share.
constexpr int kArguments = 32;
/// Most shares of one job.
constexpr int kMaxShares = 64;
/// The float64 after the last share: bytes of the memory at present.
constexpr int kBytesWord = kArguments * kMaxShares;
/// After it: where the bytes lie that the job after this one reads first, and how many.
constexpr int kNextWord = kBytesWord + 1;
/// float64 words of the whole block.
constexpr int kBlockWords = kBytesWord + 8;

/// Answer of a kernel. The numbers are part of the interface, see src/status.ts.
enum Status : int32_t {
  kOk = 0,
  kUnknownKernel = 1,
  kBadArgument = 2,
  kOutside = 3,
  kNoMemory = 4,
  kClosed = 5,
};

/// One call: its arguments, as float64, and the memory that its pointers are offsets into.
struct Call {
  const double* arguments;
  uint8_t* memory;
  double bytes;
};

/// Inner functions must be inlined before the compiler gives arrays of vectors to registers: one left out keeps them in
/// memory, and the kernel waits for its own stores.
#define BITLOOM_INLINE __attribute__((always_inline))

using Kernel = Status (*)(const Call&);

/// What limits.h measures.
enum PeakKind : int { kPeakInt8, kPeakInt16, kPeakInt4, kPeakFloat32, kPeakKinds };

/// Bytes of `slot` for this thread, 64-byte aligned, kept until the thread ends; null when there is no memory. What
/// it holds is lost with the next call for the same slot.
void* threadScratch(int slot, size_t bytes);

/// Slots of threadScratch; kernels that run inside one another take different ones.
enum ScratchSlot : int { kScratchWeights, kScratchActivations, kScratchSums, kScratchFloats, kScratchSlots };
