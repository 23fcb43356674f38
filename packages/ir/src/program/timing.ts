/**
 * Cycles of each instruction as pure functions of its fields and the device, so that the compiler's cost
 * model, the simulator and RTL can be held against one definition. Memory and port contention is not here:
 * it depends on what else runs and belongs to the simulator.
 */
import type { Device, MatrixMode } from '../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from './instruction-fields.js';
import { VECTOR_FUNCTIONS } from './vector-functions.js';

const NO_WORK: InstructionWork = { macs: 0, vectorElements: 0 };

/** Control instructions: one cycle. */
export function controlTiming(): InstructionTiming {
  return { initiationInterval: 1, latency: 1 };
}

export function noWork(): InstructionWork {
  return NO_WORK;
}

/** Load and store: one cycle of the unit to compute addresses of each run; the bytes are timed by the memory. */
export function transferTiming(fields: ResolvedFields): InstructionTiming {
  const runs = Math.max(1, fields.number('count1')) * Math.max(1, fields.number('count2'));
  return { initiationInterval: runs, latency: runs };
}

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

/** Convolution: output pixels as rows of a matrix product whose inner length is the window. */
export function convTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const mode = device.matrix.mm;
  const pixels = fields.number('outHeight') * fields.number('outWidth');
  const inner =
    (fields.number('channels') / Math.max(1, fields.number('groups'))) *
    fields.number('kernelHeight') *
    fields.number('kernelWidth');
  const blocks =
    Math.ceil(pixels / mode.m) * Math.ceil(fields.number('filters') / mode.n) * Math.ceil(inner / mode.k);
  const streaming = Math.max(1, Math.ceil(blocks / device.calibration.timeDivisor));
  return { initiationInterval: streaming, latency: streaming + mode.startupCycles };
}

export function convWork(fields: ResolvedFields): InstructionWork {
  const inner =
    (fields.number('channels') / Math.max(1, fields.number('groups'))) *
    fields.number('kernelHeight') *
    fields.number('kernelWidth');
  return {
    macs: fields.number('outHeight') * fields.number('outWidth') * fields.number('filters') * inner,
    vectorElements: 0,
  };
}

/** Pooling: one window element per lane and cycle. */
export function poolTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const streaming = Math.max(
    1,
    Math.ceil(poolWork(fields).vectorElements / device.vector.lanes / device.calibration.timeDivisor),
  );
  return { initiationInterval: streaming, latency: streaming + device.vector.startupCycles };
}

export function poolWork(fields: ResolvedFields): InstructionWork {
  const window = fields.number('kernelHeight') * fields.number('kernelWidth');
  return {
    macs: 0,
    vectorElements:
      fields.number('outHeight') * fields.number('outWidth') * fields.number('channels') * window,
  };
}

/** Vector functions: `passes` sweeps of all elements, `lanes` elements per cycle. */
export function vectorTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const fn = VECTOR_FUNCTIONS[fields.number('function')];
  const rows = fields.number('batch') * fields.number('rows');
  const perPass = Math.ceil((rows * fields.number('cols')) / device.vector.lanes);
  const streaming = Math.max(1, Math.ceil(((fn?.passes ?? 1) * perPass) / device.calibration.timeDivisor));
  return { initiationInterval: streaming, latency: streaming + device.vector.startupCycles };
}

export function vectorWork(fields: ResolvedFields): InstructionWork {
  const fn = VECTOR_FUNCTIONS[fields.number('function')];
  const elements = fields.number('batch') * fields.number('rows') * fields.number('cols');
  return { macs: 0, vectorElements: elements * (fn?.passes ?? 1) };
}
