// The table of one instruction set: every kernel by index, and the measures of the machine. The list of names is the
// one place where kernels are counted; the index of a name is what JavaScript passes.
#pragma once

#include "common.h"

#define BITLOOM_KERNELS(X)         \
  X(quantizeRows)                  \
  X(gemmGroups)                    \
  X(attentionScores)               \
  X(softmaxQuantize)               \
  X(attentionMix)                  \
  X(gemmF32)                       \
  X(gemmInt8)                      \
  X(gemmInt8Scaled)                \
  X(gemmShift)                     \
  X(gemmShiftScaled)               \
  X(matmulF32)                     \
  X(attentionScoresF32)            \
  X(softmaxF32)                    \
  X(attentionMixF32)               \
  X(rmsNorm)                       \
  X(layerNorm)                     \
  X(rope)                          \
  X(add)                           \
  X(mul)                           \
  X(siluMul)                       \
  X(silu)                          \
  X(gelu)                          \
  X(relu)                          \
  X(copy)                          \
  X(embedGroups)                   \
  X(embedF32)                      \
  X(convolution)                   \
  X(pooling)                       \
  X(convolutionInt8)               \
  X(convolutionInputGradientInt8)  \
  X(convolutionWeightGradientInt8) \
  X(convolutionF32)                \
  X(convolutionInputGradientF32)   \
  X(convolutionWeightGradientF32)  \
  X(poolingF32)                    \
  X(poolingGradientF32)            \
  X(l1Norm)                        \
  X(l1NormInt8)

#define BITLOOM_COUNT(name) +1
constexpr int kKernelCount = 0 BITLOOM_KERNELS(BITLOOM_COUNT);
#undef BITLOOM_COUNT

struct Isa {
  const char* name;
  Kernel kernels[kKernelCount];
  double (*peak)(int kind, int64_t iterations);
  int32_t (*read)(const uint8_t* from, int64_t bytes);
};

/// The tables, each from a file with its own compiler flags; null where the file was compiled for another machine.
const Isa* isaPlain();
const Isa* isaAvx2();
const Isa* isaAvx512Vnni();
