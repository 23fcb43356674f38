/** VEC: passes over all elements, `lanes` elements per cycle; fewer in passes of exponentials, where lanes have none. */
import type { Device } from '../../device/device.js';
import { internalError } from '../../error.js';
import type { InstructionTiming, InstructionWork, ResolvedFields } from '../instruction-fields.js';
import { VECTOR_FUNCTIONS, type VectorFunction } from '../vector-functions.js';

/** A program that was verified names functions of the table only. */
function functionOf(fields: ResolvedFields): VectorFunction {
  const code = fields.number('function');
  const fn = VECTOR_FUNCTIONS[code];
  if (fn === undefined) throw internalError(`no vector function has the code ${code}`, 'VEC, field function');
  return fn;
}

/** Vector functions: `passes` sweeps of all elements. */
export function vectorTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const rows = fields.number('batch') * fields.number('rows');
  const elements = rows * fields.number('cols');
  const { lanes, exponentLanes } = device.vector;
  const { passes, exponentialPasses } = functionOf(fields);
  const slow = exponentialPasses * Math.ceil(elements / (exponentLanes === 0 ? lanes : exponentLanes));
  const cycles = slow + (passes - exponentialPasses) * Math.ceil(elements / lanes);
  const streaming = Math.max(1, Math.ceil(cycles / device.calibration.timeDivisor));
  return { initiationInterval: streaming, latency: streaming + device.vector.startupCycles };
}

export function vectorWork(fields: ResolvedFields): InstructionWork {
  const elements = fields.number('batch') * fields.number('rows') * fields.number('cols');
  return { macs: 0, vectorElements: elements * functionOf(fields).passes };
}
