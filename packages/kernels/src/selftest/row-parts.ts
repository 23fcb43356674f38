/** Self-test cases of the quantisation of rows in parts. */
import type { RowPartKernels } from '../interface/row-parts.js';
import type { SelfTestCases } from './places.js';

export const ROW_PART_CASES: SelfTestCases<RowPartKernels> = {
  rowMaxima(k, p) {
    k.rowMaxima(2, 2, 23, p.floats, 256, 92, p.out, 64, 32);
    k.rowMaxima(1, 2, 0, p.floats, 0, 0, p.out + 256, 0, 4);
    // Rows of every length of the last vector.
    for (let cols = 1; cols < 6; cols += 1)
      k.rowMaxima(1, 1, cols, p.floats, 0, 0, p.out + 512 + cols * 4, 0, 0);
  },
  quantizeRowsBy(k, p) {
    const codes = [p.out, 64, 32, 32, p.out + 1024, 8, 4] as const;
    k.quantizeRowsBy(2, 2, 23, p.floats, 256, 92, p.floats + 1024, 48, 20, 5, ...codes);
    k.quantizeRowsBy(
      1,
      1,
      9,
      p.floats,
      0,
      0,
      p.floats + 8,
      0,
      0,
      1,
      p.out + 512,
      0,
      0,
      0,
      p.out + 1280,
      0,
      0,
    );
  },
};
