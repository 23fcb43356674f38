/** VEC: passes over all elements, `lanes` elements per cycle; fewer in passes of exponentials, where lanes have none. */
import type { Device } from '../../device/device.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';
import { VECTOR_FUNCTIONS } from '../vector-functions.js';

/** Vector functions: `passes` sweeps of all elements. */
export function vectorTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const fn = VECTOR_FUNCTIONS[fields.number('function')];
  const rows = fields.number('batch') * fields.number('rows');
  const elements = rows * fields.number('cols');
  const { lanes, exponentLanes } = device.vector;
  const { passes, exponentialPasses } = fn ?? { passes: 1, exponentialPasses: 0 };
  const slow = exponentialPasses * Math.ceil(elements / (exponentLanes === 0 ? lanes : exponentLanes));
  const cycles = slow + (passes - exponentialPasses) * Math.ceil(elements / lanes);
  const streaming = Math.max(1, Math.ceil(cycles / device.calibration.timeDivisor));
  return { initiationInterval: streaming, latency: streaming + device.vector.startupCycles };
}

export function vectorWork(fields: ResolvedFields): InstructionWork {
  const fn = VECTOR_FUNCTIONS[fields.number('function')];
  const elements = fields.number('batch') * fields.number('rows') * fields.number('cols');
  return { macs: 0, vectorElements: elements * (fn?.passes ?? 1) };
}
