// How the four attention products walk their rows: batches that share an operand (grouped queries: b' = floor(b /
// bDiv)) and the rows of each batch are one list, so that keys and values are read once for several of them.
#pragma once

#include "row-functions.h"

namespace {

/// Rows that are worked on together.
constexpr int kRowTile = 4;

/// One row: its batch and its place in it.
struct RowIndex {
  int64_t b, m;
};

/// Calls visit(b', rows, count) for tiles of at most kRowTile rows that share the operand b'.
template <class Function>
void forRowTiles(int64_t batch, int64_t M, int64_t bDiv, Function visit) {
  for (int64_t b0 = 0; b0 < batch; b0 += bDiv) {
    const int64_t rows = smaller(bDiv, batch - b0) * M;
    for (int64_t i = 0; i < rows; i += kRowTile) {
      RowIndex tile[kRowTile];
      const int count = static_cast<int>(smaller(kRowTile, rows - i));
      for (int r = 0; r < count; r++) tile[r] = {b0 + (i + r) / M, (i + r) % M};
      visit(b0 / bDiv, tile, count);
    }
  }
}

/// Body<count>::run(rest...) for a count of 1..kRowTile that is known only now.
template <template <int> class Body, class... Rest>
void forCount(int count, Rest&... rest) {
  if (count == 1) Body<1>::run(rest...);
  else if (count == 2) Body<2>::run(rest...);
  else if (count == 3) Body<3>::run(rest...);
  else Body<4>::run(rest...);
}

}  // namespace
