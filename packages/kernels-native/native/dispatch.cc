// Asks the CPU by CPUID, and by XGETBV whether the operating system saves the wide registers.
#include "dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace {

struct Features {
  bool avx2 = false;
  bool avx512vnni = false;
};

Features detect() {
  Features found;
#if defined(__x86_64__)
#ifdef BITLOOM_SIMDE
  // The emulation runs on AVX2.
  found.avx512vnni = true;
#endif
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return found;
  const auto has = [](unsigned word, int bit) { return (word >> bit & 1u) != 0; };
  const bool saved = has(c, 27), avx = has(c, 28), fma = has(c, 12), f16c = has(c, 29);
  if (!saved || !avx) return found;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const bool ymm = (low & 0x6u) == 0x6u;
  const bool zmm = (low & 0xe6u) == 0xe6u;
  if (!ymm || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return found;
  found.avx2 = has(b, 5) && fma && f16c;
  const bool f = has(b, 16), dq = has(b, 17), bw = has(b, 30), vl = has(b, 31), vnni = has(c, 11);
  if (found.avx2 && zmm && f && dq && bw && vl && vnni) found.avx512vnni = true;
#endif
  return found;
}

}  // namespace

int usableIsas(const Isa* out[kMostIsas]) {
  const Features found = detect();
  int count = 0;
  if (found.avx512vnni && isaAvx512Vnni() != nullptr) out[count++] = isaAvx512Vnni();
  if (found.avx2 && isaAvx2() != nullptr) out[count++] = isaAvx2();
  out[count++] = isaPlain();
  return count;
}

const Isa* findIsa(const char* name) {
  const Isa* usable[kMostIsas];
  const int count = usableIsas(usable);
  for (int i = 0; i < count; i++) {
    if (strcmp(usable[i]->name, name) == 0) return usable[i];
  }
  return nullptr;
}
