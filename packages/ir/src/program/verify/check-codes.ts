/**
 * The range of INT8 codes against the engine: DSPs that pack two rows sum products in fields of 18 bits, and an engine
 * that leaves out its overflow adjust unit for eight of them is exact only where one operand is never -128. A verifier
 * sees no data; what promises codes of -127..127 is the numerics record, by the rule of its activation scales. Says
 * nothing about float products, which no instruction of the engine makes.
 */
import { dspPacking, exactSums } from '../../device/chain.js';
import type { Device } from '../../device/device.js';
import { BitloomError } from '../../error.js';
import type { Program } from '../program.js';

/** Instructions whose products go through the chains. */
const CHAIN_INSTRUCTIONS: ReadonlySet<string> = new Set(['MM', 'MV', 'CONV']);

/** @throws BitloomError `program-codes` */
export function checkCodes(program: Program, device: Device): void {
  const { matrix } = device;
  const { rows } = dspPacking(matrix.dsp);
  const { skipUpTo } = matrix.chain.overflowAdjust;
  // A DSP58 that adds three products, or a DSP with one, has no fields.
  if (rows < 2) return;
  const isSymmetric = program.numerics.activationScale === 'per-token-amax/127';
  const exact = exactSums(isSymmetric ? -127 : -128, -128);
  if (skipUpTo <= exact) return;
  const multiplies = program.entries.some((entry) =>
    entry.streams.some((stream) => stream.instructions.some(({ name }) => CHAIN_INSTRUCTIONS.has(name))),
  );
  if (!multiplies) return;
  throw new BitloomError({
    code: 'program-codes',
    message: isSymmetric
      ? 'the engine sums more products than a field of 18 bits holds'
      : 'the engine sums products of INT8 codes that may be -128 on both sides, which a field of 18 bits does not hold',
    where: `program '${program.name}', device '${device.name}', matrix.chain.overflowAdjust.skipUpTo`,
    expected: `at most ${exact} products, or activations of -127..127 (activationScale per-token-amax/127)`,
    got: `${skipUpTo} products, activationScale ${program.numerics.activationScale}`,
    hint: 'quantise activations symmetrically, or let the overflow adjust unit split more often',
  });
}
