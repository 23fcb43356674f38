// Kernels for any machine.
#include "../vector/plain.h"

#include "instantiate.h"

const Isa* isaPlain() {
  static const Isa isa = isaOf<Plain>("plain");
  return &isa;
}
