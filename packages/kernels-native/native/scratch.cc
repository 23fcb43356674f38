// Scratch memory of each thread: it grows to what the largest call needed and goes with the thread.
#include <stdlib.h>

#include "common.h"

namespace {

struct Block {
  void* memory = nullptr;
  size_t bytes = 0;

  ~Block() { free(memory); }
};

thread_local Block blocks[kScratchSlots];

}  // namespace

void* threadScratch(int slot, size_t bytes) {
  Block& block = blocks[slot];
  if (block.bytes >= bytes && block.memory != nullptr) return block.memory;
  free(block.memory);
  block.memory = nullptr;
  block.bytes = 0;
  // A whole number of lines, as aligned allocation asks for, and a little more than nothing. Vectors may be read
  // past the last element of a shorter one.
  const size_t size = (bytes + 127) / 64 * 64;
  void* memory = nullptr;
  if (size < bytes || posix_memalign(&memory, 64, size) != 0) return nullptr;
  block.memory = memory;
  block.bytes = size;
  return memory;
}
