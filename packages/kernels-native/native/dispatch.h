// Which instruction sets this CPU and its operating system can run.
#pragma once

#include "isa.h"

constexpr int kMostIsas = 3;

/// Fills `out` with the usable tables, the fastest first, and returns how many there are (at least one).
int usableIsas(const Isa* out[kMostIsas]);

/// The usable table of that name, or null.
const Isa* findIsa(const char* name);
