/**
 * Bounds of expressions that come from outside (files, JSON, instruction streams), so that reading one ends soon
 * and never overflows the stack. What the compiler builds stays far below them.
 */

/** Deepest nesting of operators. */
export const EXPRESSION_DEPTH = 32;
/** Most operands of a sum, minimum or maximum. */
export const EXPRESSION_OPERANDS = 256;
/** Longest name of a symbol, in bytes of UTF-8. */
export const SYMBOL_BYTES = 255;
/** Most values of a table. */
export const EXPRESSION_TABLE = 65_536;
/** Longest postfix form of an expression; every operator and operand takes two bytes or more. */
export const EXPRESSION_BYTES = 8192;
