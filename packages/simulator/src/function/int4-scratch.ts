/**
 * Where codes of 4 bits lie one per byte while an instruction works on them: two share a byte in the buffers of a card,
 * and kernels read rows of int8. One scratch serves all cores, for instructions are carried out one after the other.
 */
import {
  BitloomError,
  type Device,
  findBuffer,
  type Instruction,
  isAddress,
  MATRIX_MODES,
  type Program,
  VECTOR_FUNCTION_NAMES,
} from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';

/** A part of the arena. */
export interface Int4Scratch {
  readonly pointer: number;
  readonly bytes: number;
}

const QUANTIZE = VECTOR_FUNCTION_NAMES.indexOf('quantizeInt4');
const WEIGHTS = MATRIX_MODES.indexOf('weights');

/** The operand of an instruction that holds two codes per byte. */
function int4Operand({ name, fields }: Instruction): string | undefined {
  if (name === 'VEC') return fields.function === QUANTIZE ? 'dst' : undefined;
  if (name !== 'MM' && name !== 'MV') return undefined;
  return fields.bits === 4 && fields.mode !== WEIGHTS ? 'b' : undefined;
}

/** Room for every code of the largest buffer that holds some; none where a program has no codes of 4 bits. */
export function allocateInt4Scratch(arena: Arena, program: Program, device: Device): Int4Scratch {
  const spaces = new Set<string>();
  for (const { streams } of program.entries) {
    for (const instruction of streams.flatMap((stream) => stream.instructions)) {
      const operand = int4Operand(instruction);
      const value = operand === undefined ? undefined : instruction.fields[operand];
      if (value !== undefined && isAddress(value)) spaces.add(value.space);
    }
  }
  const bytes = 2 * Math.max(0, ...[...spaces].map((space) => findBuffer(device, space)?.bytes ?? 0));
  return { pointer: bytes === 0 ? 0 : arena.alloc(bytes, 64), bytes };
}

/** Pointer to room for `codes`. @throws BitloomError `simulator-unsupported` for more than a buffer holds */
export function roomForCodes({ pointer, bytes }: Int4Scratch, codes: number): number {
  if (codes <= bytes) return pointer;
  throw new BitloomError({
    code: 'simulator-unsupported',
    message:
      'an instruction reads codes of 4 bits more than once through strides of 0, and they do not fit at once',
    expected: `at most ${bytes} codes, all that a buffer holds`,
    got: `${codes} codes`,
  });
}
