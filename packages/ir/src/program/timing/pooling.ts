/** POOL: window elements over the lanes of the vector unit. */
import type { Device } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';

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
