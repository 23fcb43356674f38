// Containers of the layout rows16: how the codes of 16 rows lie in a group. One container is one small struct:
//   stepColumns   columns of one step, a multiple of 4
//   Dot           how its codes are multiplied: V::Narrow<largest code> for unsigned codes, V::Wide for 8 signed bits
//   bias          what was added to each signed code; the product subtracts bias·Σx
//   codeBytes     bytes of the codes of a group of `length` columns (16 rows, padded to whole steps)
//   unpack        the codes of one step as stepColumns / 4 vectors, 4 columns each: lane r holds row r
// The layout itself is defined in @bitloom/formats, src/layouts/rows16.ts.
#pragma once

#include "../arguments.h"

namespace {

constexpr int64_t kStepBytes = 64;
constexpr int64_t kScaleBytes = 32;
constexpr int64_t kBlockRows = 16;

/// `u4`: code + 8; low nibbles hold columns k..k+3, high nibbles k+4..k+7.
template <class V>
struct ContainerU4 {
  using Dot = typename V::template Narrow<15>;
  static constexpr int64_t stepColumns = 8;
  static constexpr int32_t bias = 8;

  static int64_t codeBytes(int64_t length) { return ceilDiv(length, stepColumns) * kStepBytes; }
  static void unpack(const uint8_t* codes, int64_t step, typename V::B* out) {
    const typename V::B packed = V::loadBytes(codes + step * kStepBytes);
    out[0] = V::andBytes(packed, 15);
    out[1] = V::andBytes(V::template shiftRight<4>(packed), 15);
  }
};

/// `s8`: signed codes, 4 columns a step.
template <class V>
struct ContainerS8 {
  using Dot = typename V::Wide;
  static constexpr int64_t stepColumns = 4;
  static constexpr int32_t bias = Dot::bias;

  static int64_t codeBytes(int64_t length) { return ceilDiv(length, stepColumns) * kStepBytes; }
  static void unpack(const uint8_t* codes, int64_t step, typename V::B* out) {
    out[0] = V::loadBytes(codes + step * kStepBytes);
  }
};

}  // namespace
