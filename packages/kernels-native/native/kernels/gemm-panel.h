// gemmGroups for many tokens. A block of 16 rows is unpacked once for a run of whole groups that fits the first-level
// cache, and used for all tokens, a register tile of V::panelTokens at a time. Activations are laid out per tile, so
// that the inner loop follows two pointers. Accumulators of a block rest in scratch memory between runs.
#pragma once

#include "gemm-groups.h"

namespace {

/// Columns whose unpacked weights (16 rows) should fit half of a first-level cache of 32 KiB.
constexpr int64_t kRunBytes = 16384;
/// Bytes of activations that should stay in a second-level cache of 512 KiB, and the least tokens whatever they take.
constexpr int64_t kTokenBytes = 262144;
constexpr int64_t kLeastTokens = 96;

template <class V, class C>
struct Panel {
  using D = typename C::Dot;
  static constexpr int T = V::panelTokens;
  static constexpr int quads = C::unitColumns / 4;

  const GroupProduct& p;
  /// Groups unpacked together, and the most steps they make.
  int64_t groupsPerRun, stepsPerRun;
  /// Per tile of T tokens: [step][token] of four bytes.
  uint8_t* activations;
  int64_t stepsPerToken;
  /// [tile][group][T]
  int32_t* starts;
  /// [step] of 64 bytes
  uint8_t* weights;
  /// [groups of a run][16]
  float* scales;
  /// [token][16], whole tiles
  float* sums;

  /// Steps of a group of `length` columns.
  static int64_t stepsOf(int64_t length) { return ceilDiv(length, C::unitColumns) * quads * D::parts; }

  explicit Panel(const GroupProduct& product) : p(product) {
    const int64_t perGroup = stepsOf(smaller(p.group, p.K));
    groupsPerRun = larger(1, kRunBytes / (perGroup * kStepBytes));
    stepsPerRun = groupsPerRun * perGroup;
    stepsPerToken = (p.groups - 1) * perGroup + stepsOf(p.lastLength);
  }

  bool allocate() {
    const int64_t tiles = ceilDiv(p.M, T);
    activations = scratch<uint8_t>(kScratchActivations, tiles * T * stepsPerToken * 4);
    const int64_t startCount = tiles * T * p.groups;
    starts = scratch<int32_t>(kScratchSums, startCount);
    weights = scratch<uint8_t>(kScratchWeights, stepsPerRun * kStepBytes);
    const int64_t scaleCount = groupsPerRun * kBlockRows;
    scales = scratch<float>(kScratchFloats, scaleCount + tiles * T * kBlockRows);
    sums = scales + scaleCount;
    return activations != nullptr && starts != nullptr && weights != nullptr && scales != nullptr;
  }

  /// Tokens that tile has room for: all, or half where that holds the last ones. Room without a token is zeros.
  int roomOf(int64_t tile) const { return p.M - tile * T <= T / 2 ? T / 2 : T; }
  int tokensOf(int64_t tile) const { return static_cast<int>(smaller(T, p.M - tile * T)); }

  /// Activations and group starts of every tile.
  void layOut() {
    for (int64_t tile = 0; tile * T < p.M; tile++) {
      const int room = roomOf(tile), tokens = tokensOf(tile);
      uint8_t* to = activations + tile * T * stepsPerToken * 4;
      int32_t* line = starts + tile * T * p.groups;
      if (tokens < room) {
        memset(to, 0, static_cast<size_t>(room * stepsPerToken * 4));
        memset(line, 0, static_cast<size_t>(room * p.groups) * 4);
      }
      for (int t = 0; t < tokens; t++) {
        const int8_t* x = p.x + (tile * T + t) * p.xStride;
        uint8_t* at = to + t * 4;
        for (int64_t g = 0; g < p.groups; g++) {
          // A padded group reads into the next one, where its own weights are 0.
          const int8_t* from = x + g * p.group;
          const int64_t count = stepsOf(p.lengthOf(g)) / D::parts;
          for (int64_t k = 0; k < count; k++, at += room * D::parts * 4) D::prepare(at, room * 4, from + 4 * k);
          if (C::bias == 0) continue;
          int32_t sum = 0;
          for (int64_t k = 0; k < 4 * count; k++) sum += from[k];
          line[g * room + t] = -C::bias * sum;
        }
      }
    }
  }

  /// Weights and scales of groups [from, to) of a block whose group `from` starts at `codes`.
  const uint8_t* unpackRun(const uint8_t* codes, int64_t from, int64_t to) {
    uint8_t* out = weights;
    for (int64_t g = from; g < to; g++) {
      const int64_t length = p.lengthOf(g);
      const uint8_t* end = codes + codeBytesOf<C>(length);
      for (; codes < end; codes += C::unitBytes) {
        unrolled<quads>([&](auto i) BITLOOM_INLINE {
          const typename V::B quad = C::template quad<i.value>(codes);
          unrolled<D::parts>([&](auto part) BITLOOM_INLINE {
            V::storeBytes(out, D::template weights<part.value>(quad));
            out += kStepBytes;
          });
        });
      }
      V::store(scales + (g - from) * kBlockRows, V::halves(codes));
      codes += kScaleBytes;
    }
    return codes;
  }

  /// One register tile of `tokens` tokens over the groups [from, to) that are unpacked.
  template <int tokens>
  void tileOf(int64_t tile, int64_t from, int64_t to) {
    const int64_t perGroup = stepsOf(smaller(p.group, p.K));
    const uint8_t* x = activations + (tile * T * stepsPerToken + from * perGroup * tokens) * 4;
    const uint8_t* w = weights;
    const int32_t* start = starts + tile * T * p.groups + from * tokens;
    float* acc = sums + tile * T * kBlockRows;
    for (int64_t g = from; g < to; g++, start += tokens) {
      const int64_t count = stepsOf(p.lengthOf(g));
      typename V::I totals[tokens];
      unrolled<tokens>(
          [&](auto t) BITLOOM_INLINE { totals[t.value] = V::setI(C::bias == 0 ? 0 : start[t.value]); });
      groupOf<tokens>(totals, w, x, count);
      w += count * kStepBytes;
      x += count * tokens * 4;
      const typename V::F scale = V::load(scales + (g - from) * kBlockRows);
      unrolled<tokens>([&](auto t) BITLOOM_INLINE {
        float* at = acc + t.value * kBlockRows;
        V::store(at, V::add(V::load(at), V::mul(V::toFloat(totals[t.value]), scale)));
      });
    }
  }

  /// Steps of a run of the inner loop that is written out: as many as sums hold, within reason.
  static constexpr int kUnrolled = static_cast<int>(smaller(8, D::stepsPerWiden));

  template <int tokens>
  BITLOOM_INLINE static void groupOf(typename V::I* totals, const uint8_t* w, const uint8_t* x, int64_t count) {
    if constexpr (D::direct) {
      for (int64_t k = 0; k < count; k++, w += kStepBytes, x += tokens * 4) step<tokens>(totals, w, x);
    } else {
      typename D::Sums sums[tokens];
      for (; count >= kUnrolled; count -= kUnrolled, w += kUnrolled * kStepBytes, x += kUnrolled * tokens * 4) {
        typename D::Weights opening = V::loadBytes(w);
        V::keep(opening);
        unrolled<tokens>([&](auto t) BITLOOM_INLINE {
          sums[t.value] = D::first(opening, x + t.value * 4);
          V::keep(sums[t.value]);
        });
        unrolled<kUnrolled - 1>([&](auto k) BITLOOM_INLINE {
          step<tokens>(sums, w + (k.value + 1) * kStepBytes, x + (k.value + 1) * tokens * 4);
        });
        unrolled<tokens>([&](auto t) BITLOOM_INLINE { totals[t.value] = D::widen(totals[t.value], sums[t.value]); });
      }
      if (count == 0) return;
      unrolled<tokens>([&](auto t) BITLOOM_INLINE { sums[t.value] = typename D::Sums{}; });
      for (; count > 0; count--, w += kStepBytes, x += tokens * 4) step<tokens>(sums, w, x);
      unrolled<tokens>([&](auto t) BITLOOM_INLINE { totals[t.value] = D::widen(totals[t.value], sums[t.value]); });
    }
  }

  /// One step for every token. `keep` holds the compiler to this order: it would load all activations first, put the
  /// sums in memory for want of registers, and read the weights again for every token.
  template <int tokens>
  BITLOOM_INLINE static void step(typename D::Sums* sums, const uint8_t* w, const uint8_t* x) {
    typename D::Weights line = V::loadBytes(w);
    if (!D::direct) V::keep(line);
    unrolled<tokens>([&](auto t) BITLOOM_INLINE {
      sums[t.value] = D::step(sums[t.value], line, x + t.value * 4);
      V::keep(sums[t.value]);
    });
  }

  Status run() {
    if (!allocate()) return kNoMemory;
    layOut();
    for (int64_t n = 0; n < p.N; n += kBlockRows) {
      const uint8_t* codes = p.w + (n / kBlockRows) * p.blockBytes;
      for (int64_t m = 0; m < p.M; m++) V::store(sums + m * kBlockRows, startOf<V>(p, m, n));
      for (int64_t from = 0; from < p.groups; from += groupsPerRun) {
        const int64_t to = smaller(p.groups, from + groupsPerRun);
        codes = unpackRun(codes, from, to);
        for (int64_t tile = 0; tile * T < p.M; tile++) {
          if (roomOf(tile) == T) tileOf<T>(tile, from, to);
          else tileOf<T / 2>(tile, from, to);
        }
      }
      for (int64_t m = 0; m < p.M; m++) finishTo<V>(p, m, n, V::load(sums + m * kBlockRows));
    }
    return kOk;
  }
};

/// The product over no columns: nothing is added to the accumulators.
template <class V>
Status emptyProduct(const GroupProduct& p) {
  for (int64_t m = 0; m < p.M; m++) {
    for (int64_t n = 0; n < p.N; n += kBlockRows) finishTo<V>(p, m, n, startOf<V>(p, m, n));
  }
  return kOk;
}

template <class V, class C>
Status productOf(GroupProduct& p, Arguments& a) {
  const int64_t groupBytes = codeBytesOf<C>(smaller(p.group, p.K)) + kScaleBytes;
  p.blockBytes = p.groups == 0 ? 0 : (p.groups - 1) * groupBytes + codeBytesOf<C>(p.lastLength) + kScaleBytes;
  p.w = a.block(9, ceilDiv(p.N, kBlockRows) * p.blockBytes);
  // Padding up to a whole unit is read.
  const int64_t padded = ceilDiv(p.lastLength, C::unitColumns) * C::unitColumns;
  const int64_t readColumns = p.groups == 0 ? 0 : (p.groups - 1) * p.group + padded;
  p.x = reinterpret_cast<const int8_t*>(a.place(a.whole(5), 1, 0, p.M, p.xStride, readColumns).base);
  if (a.status() != kOk || p.M == 0 || p.N == 0) return a.status();
  if (p.groups == 0) return emptyProduct<V>(p);
  if (p.M <= kFewTokens) return productOfFew<V, C>(p);
  // Tokens at a time: enough that unpacking weights costs little, few enough that their codes stay in the second-level
  // cache while all the blocks pass.
  constexpr int64_t tile = V::panelTokens;
  const int64_t tokens = larger(kLeastTokens, kTokenBytes / (p.K * C::Dot::parts)) / tile * tile;
  for (int64_t m = 0; m < p.M; m += tokens) {
    GroupProduct part = p;
    part.M = smaller(tokens, p.M - m);
    part.x = p.x + m * p.xStride;
    part.xScale = p.xScale + m * p.scaleStride;
    part.out = p.out + m * p.outStride;
    // A short rest goes the same way as the others: it is not the last tokens that decide the speed.
    const Status status = Panel<V, C>(part).run();
    if (status != kOk) return status;
  }
  return kOk;
}

/// Arguments: bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags.
template <class V>
Status gemmGroups(const Call& call) {
  Arguments a(call);
  GroupProduct p;
  const int64_t bits = a.size(0);
  p.M = a.size(2);
  p.N = a.size(3);
  p.K = a.size(4);
  // A group of any number past K, infinity too, is one group.
  const bool whole = a.number(1) >= static_cast<double>(p.K);
  p.group = whole ? larger(1, p.K) : a.size(1);
  if (p.group < 1 || (!whole && p.group % 8 != 0) || p.group > 65536) a.refuse(kBadArgument);
  if (a.status() != kOk) return a.status();
  p.groups = ceilDiv(p.K, p.group);
  p.lastLength = p.K - (p.groups - 1) * p.group;
  p.xStride = a.whole(6);
  p.scaleStride = a.whole(8);
  p.outStride = a.whole(11);
  p.flags = a.size(12);
  const bool finish = (p.flags & kFlagFinish) != 0 && p.N > 0;
  p.xScale = a.place(a.whole(7), 1, 0, finish ? p.M : 0, p.scaleStride, 4).base;
  p.out = a.results(10, p.M, p.N * 4).base;
  switch (bits) {
    case 2:
      return productOf<V, ContainerU2<V>>(p, a);
    case 3:
      return productOf<V, ContainerU3<V>>(p, a);
    case 4:
      return productOf<V, ContainerU4<V>>(p, a);
    case 5:
      return productOf<V, ContainerU5<V>>(p, a);
    case 6:
      return productOf<V, ContainerU6<V>>(p, a);
    case 8:
      return productOf<V, ContainerS8<V>>(p, a);
    default:
      return kBadArgument;
  }
}

}  // namespace
