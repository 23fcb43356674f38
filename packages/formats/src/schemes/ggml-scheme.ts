/** A GGML block format as a scheme: the structure its blocks have; the codes are chosen by GGML's own algorithm. */
import type { TensorScheme } from '@bitloom/ir';
import { GGML_BLOCK_SIZES, type GgmlBlockName } from '../ggml/block-sizes.js';
import { ggmlBlock } from '../ggml/ggml-blocks.js';
import { tensorScheme } from './named-schemes.js';

const PREFIX = 'ggml.';

/** The scheme of a GGML block format; layout `ggml.<name>`. */
export function ggmlScheme(block: GgmlBlockName): TensorScheme {
  const { element, scales, layout } = ggmlBlock(block).type([1, 0]);
  return tensorScheme(block, {
    element,
    scales: scales.map(({ format, block: [, groupSize], direction, zero, rule }) => ({
      format,
      granularity: groupSize === 0 ? { strategy: 'token' } : { strategy: 'group', groupSize },
      direction,
      ...(zero === undefined ? {} : { zero }),
      rule,
    })),
    layout,
  });
}

/** The block format that a layout id names, or undefined for another layout. */
export function ggmlLayoutName(layout: string): GgmlBlockName | undefined {
  const names = Object.keys(GGML_BLOCK_SIZES) as GgmlBlockName[];
  return names.find((name) => layout === PREFIX + name);
}
