// gemmGroups: the product of int8 activations and group-scaled weights in rows16 blocks, see Kernels.gemmGroups of
// @bitloom/kernels for what it computes. Lane = row of a block, so nothing is summed across lanes; sums of a group
// are exact integers, and the float steps are one multiply and one add per group, in order: the bits do not depend
// on the tile, which only decides how often weights are read and unpacked.
//
// Few tokens: weights are unpacked in registers and used at once, one pass over memory. Many tokens: see
// gemm-panel.h. Both share the preparation here.
#pragma once

#include "containers.h"

namespace {

/// Tokens up to which the weights are unpacked anew for each tile.
constexpr int64_t kFewTokens = 4;
/// Bytes that are fetched ahead of the weights in use: further than the latency of memory, within a page or two.
constexpr int64_t kPrefetchBytes = 2048;

/// The operands of one call.
struct GroupProduct {
  int64_t group, M, N, K, groups, lastLength;
  int64_t xStride, scaleStride, outStride, blockBytes, groupBytes, flags;
  const int8_t* x;
  const uint8_t* xScale;
  const uint8_t* w;
  uint8_t* out;

  int64_t lengthOf(int64_t g) const { return g == groups - 1 ? lastLength : group; }
  float* outRow(int64_t m) const { return reinterpret_cast<float*>(out + m * outStride); }
  float tokenScale(int64_t m) const {
    float value;
    memcpy(&value, xScale + m * scaleStride, 4);
    return value;
  }
};

/// Where the accumulators of a row tile start: 0, or what is in `out`.
template <class V>
typename V::F startOf(const GroupProduct& p, int64_t m, int64_t n) {
  if ((p.flags & kFlagContinue) == 0) return V::set(0.0f);
  const int64_t left = p.N - n;
  return left >= kBlockRows ? V::load(p.outRow(m) + n) : V::loadPart(p.outRow(m) + n, left);
}

template <class V>
void finishTo(const GroupProduct& p, int64_t m, int64_t n, typename V::F acc) {
  if ((p.flags & kFlagFinish) != 0) acc = V::mul(acc, V::set(p.tokenScale(m)));
  const int64_t left = p.N - n;
  if (left >= kBlockRows) V::store(p.outRow(m) + n, acc);
  else V::storePart(p.outRow(m) + n, acc, left);
}

/// Activations and −bias·Σx per group, as the tiles read them.
struct Prepared {
  /// Four columns of one token; tokens are `stride` bytes apart.
  const uint8_t* activations;
  int64_t stride;
  /// [M, groups]; null when the bias is 0.
  const int32_t* starts;
};

/// −bias·Σ x over the padded length of each group of one token.
template <class C>
void groupStarts(const GroupProduct& p, int64_t m, int32_t* starts) {
  const int8_t* x = p.x + m * p.xStride;
  for (int64_t g = 0; g < p.groups; g++) {
    const int64_t length = ceilDiv(p.lengthOf(g), C::unitColumns) * C::unitColumns;
    int32_t sum = 0;
    for (int64_t k = 0; k < length; k++) sum += x[g * p.group + k];
    starts[g] = -C::bias * sum;
  }
}

/// Sums of one group of one block for T tokens, and their addition to the float accumulators.
template <class V, class C, int T>
struct FewTokens {
  using D = typename C::Dot;
  static constexpr int quads = C::unitColumns / 4;

  /// One unit: each quad unpacked once, used for every token.
  BITLOOM_INLINE static void unit(typename D::Sums* sums, const uint8_t* codes, int64_t u, const uint8_t* const* x) {
    const uint8_t* from = codes + u * C::unitBytes;
    fetchAhead(from);
    unrolled<quads>([&](auto i) BITLOOM_INLINE {
      const typename V::B quad = C::template quad<i.value>(from);
      unrolled<D::parts>([&](auto part) BITLOOM_INLINE {
        const typename D::Weights w = D::template weights<part.value>(quad);
        unrolled<T>([&](auto t) BITLOOM_INLINE {
          const uint8_t* at = x[t.value] + ((u * quads + i.value) * D::parts + part.value) * 4;
          sums[t.value] = D::step(sums[t.value], w, at);
        });
      });
    });
  }

  /// A unit of more quads than sums can hold: they are emptied on the way.
  BITLOOM_INLINE static void longUnit(typename V::I* totals, const uint8_t* codes, int64_t u,
                                      const uint8_t* const* x) {
    const uint8_t* from = codes + u * C::unitBytes;
    fetchAhead(from);
    typename D::Sums sums[T];
    unrolled<quads>([&](auto i) BITLOOM_INLINE {
      const typename D::Weights w = D::template weights<0>(C::template quad<i.value>(from));
      unrolled<T>([&](auto t) BITLOOM_INLINE {
        constexpr bool opens = i.value % D::stepsPerWiden == 0;
        constexpr bool closes = (i.value + 1) % D::stepsPerWiden == 0 || i.value + 1 == quads;
        const uint8_t* at = x[t.value] + (u * quads + i.value) * 4;
        if constexpr (opens) sums[t.value] = D::first(w, at);
        else sums[t.value] = D::step(sums[t.value], w, at);
        if constexpr (closes) totals[t.value] = D::widen(totals[t.value], sums[t.value]);
      });
    });
  }

  BITLOOM_INLINE static void fetchAhead(const uint8_t* from) {
    unrolled<C::unitBytes / kStepBytes>(
        [&](auto i) BITLOOM_INLINE { __builtin_prefetch(from + i.value * kStepBytes + kPrefetchBytes); });
  }

  BITLOOM_INLINE static void group(typename V::I* totals, const uint8_t* codes, int64_t units,
                                   const uint8_t* const* x) {
    if constexpr (D::direct) {
      for (int64_t u = 0; u < units; u++) unit(totals, codes, u, x);
    } else {
      constexpr int64_t chunk = D::stepsPerWiden / quads;
      if constexpr (chunk == 0) {
        for (int64_t u = 0; u < units; u++) longUnit(totals, codes, u, x);
      } else {
        for (int64_t u = 0; u < units;) {
          typename D::Sums sums[T];
          unrolled<T>([&](auto t) BITLOOM_INLINE { sums[t.value] = typename D::Sums{}; });
          for (const int64_t end = smaller(units, u + chunk); u < end; u++) unit(sums, codes, u, x);
          unrolled<T>([&](auto t) BITLOOM_INLINE { totals[t.value] = D::widen(totals[t.value], sums[t.value]); });
        }
      }
    }
  }

  static void blocks(const GroupProduct& p, const Prepared& prepared, int64_t m) {
    const uint8_t* rows[T];
    const int32_t* starts[T];
    unrolled<T>([&](auto t) BITLOOM_INLINE {
      rows[t.value] = prepared.activations + (m + t.value) * prepared.stride;
      starts[t.value] = prepared.starts + (m + t.value) * p.groups;
    });
    for (int64_t n = 0; n < p.N; n += kBlockRows) {
      const uint8_t* codes = p.w + (n / kBlockRows) * p.blockBytes;
      typename V::F acc[T];
      unrolled<T>([&](auto t) BITLOOM_INLINE { acc[t.value] = startOf<V>(p, m + t.value, n); });
      for (int64_t g = 0; g < p.groups; g++) {
        const int64_t length = p.lengthOf(g);
        const uint8_t* x[T];
        typename V::I totals[T];
        unrolled<T>([&](auto t) BITLOOM_INLINE {
          x[t.value] = rows[t.value] + g * p.group * D::parts;
          totals[t.value] = V::setI(C::bias == 0 ? 0 : starts[t.value][g]);
        });
        group(totals, codes, ceilDiv(length, C::unitColumns), x);
        codes += codeBytesOf<C>(length);
        const typename V::F scale = V::halves(codes);
        codes += kScaleBytes;
        unrolled<T>([&](auto t) BITLOOM_INLINE {
          acc[t.value] = V::add(acc[t.value], V::mul(V::toFloat(totals[t.value]), scale));
        });
      }
      unrolled<T>([&](auto t) BITLOOM_INLINE { finishTo<V>(p, m + t.value, n, acc[t.value]); });
    }
  }
};

/// Activations for FewTokens: the int8 themselves, or laid out anew where the set wants int16.
template <class C>
bool prepareFew(const GroupProduct& p, Prepared& prepared) {
  using D = typename C::Dot;
  if (D::parts == 1) {
    prepared.activations = reinterpret_cast<const uint8_t*>(p.x);
    prepared.stride = p.xStride;
  } else {
    const int64_t fours = ceilDiv(p.K, 4);
    prepared.stride = fours * D::parts * 4;
    uint8_t* to = scratch<uint8_t>(kScratchActivations, p.M * prepared.stride);
    if (to == nullptr) return false;
    prepared.activations = to;
    for (int64_t m = 0; m < p.M; m++) {
      for (int64_t k = 0; k < fours; k++, to += D::parts * 4) D::prepare(to, 4, p.x + m * p.xStride + 4 * k);
    }
  }
  prepared.starts = nullptr;
  if (C::bias == 0) return true;
  int32_t* starts = scratch<int32_t>(kScratchSums, p.M * p.groups);
  if (starts == nullptr) return false;
  prepared.starts = starts;
  for (int64_t m = 0; m < p.M; m++) groupStarts<C>(p, m, starts + m * p.groups);
  return true;
}

template <class V, class C>
Status productOfFew(const GroupProduct& p) {
  Prepared prepared;
  if (!prepareFew<C>(p, prepared)) return kNoMemory;
  switch (p.M) {
    case 1:
      FewTokens<V, C, 1>::blocks(p, prepared, 0);
      return kOk;
    case 2:
      FewTokens<V, C, 2>::blocks(p, prepared, 0);
      return kOk;
    case 3:
      FewTokens<V, C, 3>::blocks(p, prepared, 0);
      return kOk;
    default:
      FewTokens<V, C, 4>::blocks(p, prepared, 0);
      return kOk;
  }
}

}  // namespace
