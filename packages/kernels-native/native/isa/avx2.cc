// Kernels for AVX2, FMA and F16C.
#include "../isa.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "../vector/avx2.h"

#include "instantiate.h"

const Isa* isaAvx2() {
  static const Isa isa = isaOf<Avx2>("avx2");
  return &isa;
}
#else
const Isa* isaAvx2() { return nullptr; }
#endif
