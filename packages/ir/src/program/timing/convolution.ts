/** CONV: output pixels as rows of a matrix product. */
import type { Device } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';

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
