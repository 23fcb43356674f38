// Containers of the layout rows16: how the codes of 16 rows lie in units of whole 64-byte steps. The layout is defined
// in @bitloom/formats, src/layouts/rows16-container.ts. One container is one small struct:
//   unitColumns, unitBytes   columns and bytes of one unit; groups are padded to whole units with code 0
//   Dot                      how its codes are multiplied: V::Narrow<largest stored code>, or V::Wide for signed bytes
//   bias                     what was added to each signed code; the product subtracts bias·Σx
//   quad<i>(unit)            stored codes of columns 4i..4i+3 of a unit: lane r is row r
#pragma once

#include "../arguments.h"

namespace {

constexpr int64_t kStepBytes = 64;
constexpr int64_t kScaleBytes = 32;
constexpr int64_t kBlockRows = 16;

/// Quad i of a plane of `bits` bits whose steps begin at `plane`, moved up by `shift`.
template <class V, int bits, int i, int shift>
BITLOOM_INLINE inline typename V::B planeQuad(const uint8_t* plane) {
  constexpr int perStep = 8 / bits;
  const typename V::B step = V::loadBytes(plane + i / perStep * kStepBytes);
  const typename V::B low = V::template shiftRight<i % perStep * bits>(step);
  return V::template shiftLeft<shift>(V::andBytes(low, (1 << bits) - 1));
}

template <class V>
struct ContainerU2 {
  using Dot = typename V::template Narrow<3>;
  static constexpr int64_t unitColumns = 16, unitBytes = 64;
  static constexpr int32_t bias = 2;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return planeQuad<V, 2, i, 0>(unit);
  }
};

/// Two bits, then one.
template <class V>
struct ContainerU3 {
  using Dot = typename V::template Narrow<7>;
  static constexpr int64_t unitColumns = 32, unitBytes = 192;
  static constexpr int32_t bias = 4;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return V::orBytes(planeQuad<V, 2, i, 0>(unit), planeQuad<V, 1, i, 2>(unit + 2 * kStepBytes));
  }
};

template <class V>
struct ContainerU4 {
  using Dot = typename V::template Narrow<15>;
  static constexpr int64_t unitColumns = 8, unitBytes = 64;
  static constexpr int32_t bias = 8;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return planeQuad<V, 4, i, 0>(unit);
  }
};

/// Four bits, then one.
template <class V>
struct ContainerU5 {
  using Dot = typename V::template Narrow<31>;
  static constexpr int64_t unitColumns = 32, unitBytes = 320;
  static constexpr int32_t bias = 16;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return V::orBytes(planeQuad<V, 4, i, 0>(unit), planeQuad<V, 1, i, 4>(unit + 4 * kStepBytes));
  }
};

/// Four bits, then two.
template <class V>
struct ContainerU6 {
  using Dot = typename V::template Narrow<63>;
  static constexpr int64_t unitColumns = 16, unitBytes = 192;
  static constexpr int32_t bias = 32;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return V::orBytes(planeQuad<V, 4, i, 0>(unit), planeQuad<V, 2, i, 4>(unit + 2 * kStepBytes));
  }
};

/// Signed bytes as they are.
template <class V>
struct ContainerS8 {
  using Dot = typename V::Wide;
  static constexpr int64_t unitColumns = 4, unitBytes = 64;
  static constexpr int32_t bias = Dot::bias;

  template <int i>
  BITLOOM_INLINE static typename V::B quad(const uint8_t* unit) {
    return V::loadBytes(unit);
  }
};

/// Bytes of the codes of a group of `length` columns in a block.
template <class C>
int64_t codeBytesOf(int64_t length) {
  return ceilDiv(length, C::unitColumns) * C::unitBytes;
}

}  // namespace
