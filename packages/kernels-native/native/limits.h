// Measures of this machine, for benchmarks: see kernels/limits.h for what is run.
#pragma once

#include "isa.h"

/// Most operations per second over samples that take about `milliseconds` together.
double measurePeak(const Isa& isa, int kind, double milliseconds);

/// Most bytes per second that `threads` threads together read from memory of `bytes` bytes; 0 when there is not as
/// much memory. With more bytes than the caches hold it is the bandwidth of the memory itself.
double measureRead(const Isa& isa, double bytes, int threads, double milliseconds);
