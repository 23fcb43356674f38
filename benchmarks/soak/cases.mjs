/**
 * One generator per kernel: random shapes, and operands that are parts of the pools. Results go to `pools.out`; what a
 * kernel continues or overwrites lies there as well, and the soak fills it alike for every backend. A generator returns
 * the arguments and the number of bytes of results. One call in some hundreds is large enough to be divided over threads.
 */
import { ATTENTION_CASES } from './attention-cases.mjs';
import { PRODUCT_CASES } from './product-cases.mjs';
import { VECTOR_CASES } from './vector-cases.mjs';
import { WINDOW_CASES } from './window-cases.mjs';

export const CASES = { ...VECTOR_CASES, ...PRODUCT_CASES, ...ATTENTION_CASES, ...WINDOW_CASES };
