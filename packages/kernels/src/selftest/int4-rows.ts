/** Self-test cases of rows of int4 codes: rows with whole vectors and every kind of end. */
import type { Int4RowKernels } from '../interface/int4-rows.js';
import type { SelfTestCases } from './places.js';

export const INT4_ROW_CASES: SelfTestCases<Int4RowKernels> = {
  quantizeRowsInt4(k, p) {
    k.quantizeRowsInt4(2, 2, 23, p.floats, 256, 92, p.out, 64, 32, p.out + 1024, 8, 4);
    for (let cols = 0; cols < 6; cols += 1)
      k.quantizeRowsInt4(
        1,
        1,
        cols,
        p.floats,
        0,
        0,
        p.out + 512 + cols * 8,
        0,
        0,
        p.out + 1280 + cols * 4,
        0,
        0,
      );
  },
  packRowsInt4(k, p) {
    k.packRowsInt4(2, 2, 37, p.narrow[4], 100, 50, p.out, 64, 20);
    for (let cols = 0; cols < 6; cols += 1)
      k.packRowsInt4(1, 1, cols, p.narrow[4], 0, 0, p.out + 512 + cols * 8, 0, 0);
  },
  expandRowsInt4(k, p) {
    k.expandRowsInt4(2, 2, 37, p.bytes, 100, 50, p.out, 128, 40);
    for (let cols = 0; cols < 6; cols += 1)
      k.expandRowsInt4(1, 1, cols, p.bytes, 0, 0, p.out + 512 + cols * 8, 0, 0);
  },
};
