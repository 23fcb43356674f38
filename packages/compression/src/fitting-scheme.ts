/** Whether a scheme fits a weight, and what is done where it does not: visibly, one line per tensor. */
import { GGML_BLOCK_SIZES, ggmlFallback, ggmlLayoutName, ggmlScheme } from '@bitloom/formats';
import type { TensorScheme } from '@bitloom/ir';

/** The scheme for a weight of `shape`: `wanted`, one with smaller blocks, or undefined for float32. Adds to `notes`. */
export function fittingScheme(
  name: string,
  shape: readonly number[],
  wanted: TensorScheme,
  notes: string[],
): TensorScheme | undefined {
  const cols = shape[shape.length - 1];
  const weight = `weight '${name}' [${shape.join(', ')}]`;
  const block = ggmlLayoutName(wanted.layout);
  if (block === undefined) {
    const [{ granularity }] = wanted.scales;
    const rest = granularity.strategy === 'group' ? cols % granularity.groupSize : 0;
    if (granularity.strategy === 'group' && rest !== 0) {
      notes.push(`${weight}: groups of ${granularity.groupSize}, the last of each row holds ${rest}`);
    }
    return wanted;
  }
  const found = ggmlFallback(block, cols);
  if (found === block) return wanted;
  const { elements } = GGML_BLOCK_SIZES[block];
  notes.push(
    `${weight}: ${cols} columns are no blocks of ${elements}; ${found ?? 'float32'} instead of ${block}`,
  );
  return found === undefined ? undefined : ggmlScheme(found);
}
