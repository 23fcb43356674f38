/**
 * The element formats of eight bits and less, each a record by itself, so that a bundle carries those that it names.
 * `ELEMENT_FORMATS` has all of them by name; FP32, FP16 and BF16 are in `@bitloom/ir`.
 */
import { codebookFormat, type ElementFormat, fixedFormat, floatFormat } from '@bitloom/ir';

/** FP8 without infinities and with one NaN per sign, to 448. */
export const FP8_E4M3FN: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e4m3fn', 4, 3, { specials: 'fn' });
/** FP8 with infinities and NaNs, to 57344. */
export const FP8_E5M2: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e5m2', 5, 2);
/** FP8 with infinities and NaNs, to 240. */
export const FP8_E4M3: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e4m3', 4, 3);
/** FP8 with infinities and NaNs, to 15.5. */
export const FP8_E3M4: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e3m4', 3, 4);
/** FP8 with one NaN, neither infinity nor negative zero, bias 8. */
export const FP8_E4M3FNUZ: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e4m3fnuz', 4, 3, {
  bias: 8,
  specials: 'fnuz',
});
/** FP8 with one NaN, neither infinity nor negative zero, bias 16. */
export const FP8_E5M2FNUZ: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e5m2fnuz', 5, 2, {
  bias: 16,
  specials: 'fnuz',
});
/** FP8 with one NaN, neither infinity nor negative zero, bias 11. */
export const FP8_E4M3B11FNUZ: ElementFormat = /* @__PURE__ */ floatFormat('fp8_e4m3b11fnuz', 4, 3, {
  bias: 11,
  specials: 'fnuz',
});
/** FP6 of OCP MX, to 28. */
export const FP6_E3M2: ElementFormat = /* @__PURE__ */ floatFormat('fp6_e3m2', 3, 2, { specials: 'none' });
/** FP6 of OCP MX, to 7.5. */
export const FP6_E2M3: ElementFormat = /* @__PURE__ */ floatFormat('fp6_e2m3', 2, 3, { specials: 'none' });
/** FP4 of OCP MX and NVFP4, to 6. */
export const FP4_E2M1: ElementFormat = /* @__PURE__ */ floatFormat('fp4_e2m1', 2, 1, { specials: 'none' });
/** Powers of two from 2^−127 to 2^127, and one NaN: the scales of OCP MX. */
export const E8M0: ElementFormat = /* @__PURE__ */ floatFormat('e8m0', 8, 0, {
  signed: false,
  specials: 'nan-only',
});
/** Two's complement with 6 bits behind the point: the integers of OCP MX. */
export const MXINT8: ElementFormat = /* @__PURE__ */ fixedFormat('mxint8', 8, 6);
/** −1, 0 and 1. */
export const TERNARY: ElementFormat = /* @__PURE__ */ codebookFormat('ternary', 2, [-1, 0, 1]);
/** −1 and 1. */
export const BINARY: ElementFormat = /* @__PURE__ */ codebookFormat('binary', 1, [-1, 1]);
