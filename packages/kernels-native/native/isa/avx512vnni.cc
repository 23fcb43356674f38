// Kernels for AVX-512 with VNNI.
#include "../isa.h"

#if defined(BITLOOM_SIMDE) || (defined(__AVX512F__) && defined(__AVX512VNNI__))
#include "../vector/avx512vnni.h"

#include "instantiate.h"

const Isa* isaAvx512Vnni() {
  static const Isa isa = isaOf<Avx512Vnni>("avx512vnni");
  return &isa;
}
#else
const Isa* isaAvx512Vnni() { return nullptr; }
#endif
