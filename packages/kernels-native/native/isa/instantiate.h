// Every kernel for one vector trait. Included once by each file of this folder, after its trait.
#pragma once

#include "../isa.h"
#include "../kernels/attention-mix.h"
#include "../kernels/attention-scores.h"
#include "../kernels/convolution-gather.h"
#include "../kernels/convolution-weight-gradient.h"
#include "../kernels/elementwise.h"
#include "../kernels/embed.h"
#include "../kernels/gemm-f32.h"
#include "../kernels/gemm-int8.h"
#include "../kernels/gemm-panel.h"
#include "../kernels/l1-norms.h"
#include "../kernels/limits.h"
#include "../kernels/norms.h"
#include "../kernels/pooling.h"
#include "../kernels/quantize.h"
#include "../kernels/softmax.h"

namespace {

template <class V>
Isa isaOf(const char* name) {
#define BITLOOM_ENTRY(kernel) kernel<V>,
  return {name, {BITLOOM_KERNELS(BITLOOM_ENTRY)}, peakOperations<V>, readAll<V>};
#undef BITLOOM_ENTRY
}

}  // namespace
