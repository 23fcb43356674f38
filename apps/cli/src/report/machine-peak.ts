/** What the matrix engines of a card can do at most, in the terms in which the simulator counts. */
import type { Device, MatrixMode } from '@bitloom/ir';

/**
 * Multiply-accumulates per cycle of a mode on all cores. Where a card divides the times of compute in place of more
 * SLRs, so many more of them fit in a cycle.
 */
export function macsPerCycle({ m, n, k }: MatrixMode, { cores, calibration }: Device): number {
  return m * n * k * cores * calibration.timeDivisor;
}

/** The same in the faster of the two modes. */
export function peakMacsPerCycle(device: Device): number {
  return Math.max(macsPerCycle(device.matrix.mm, device), macsPerCycle(device.matrix.mv, device));
}
