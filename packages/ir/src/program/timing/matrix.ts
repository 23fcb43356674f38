/** MM and MV: blocks of m x n x k products, one per cycle of the mode. */
import type { Device, MatrixMode } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';

function matrixCycles(fields: ResolvedFields, mode: MatrixMode, device: Device): InstructionTiming {
  const { m, n, k } = matrixShape(fields);
  const blocks = Math.ceil(m / mode.m) * Math.ceil(n / mode.n) * Math.ceil(k / mode.k);
  const streaming = Math.ceil((fields.number('batch') * blocks) / device.calibration.timeDivisor);
  return { initiationInterval: Math.max(1, streaming), latency: Math.max(1, streaming) + mode.startupCycles };
}

/** Rows, outputs and inner length of a matrix instruction. */
export function matrixShape(fields: ResolvedFields): { m: number; n: number; k: number } {
  return { m: fields.number('m'), n: fields.number('n'), k: fields.number('k') };
}

/** Matrix x matrix: one block of m x n x k products per cycle. */
export function mmTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  return matrixCycles(fields, device.matrix.mm, device);
}

/** Matrix x vector: its own parallelism. */
export function mvTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  return matrixCycles(fields, device.matrix.mv, device);
}

export function matrixWork(fields: ResolvedFields): InstructionWork {
  const { m, n, k } = matrixShape(fields);
  return { macs: fields.number('batch') * m * n * k, vectorElements: 0 };
}
