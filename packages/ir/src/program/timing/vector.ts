/** VEC: passes over all elements, `lanes` elements per cycle. */
import type { Device } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';
import { VECTOR_FUNCTIONS } from '../vector-functions.js';

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
