/** XCH: what a core receives from the others, over its link. */
import type { Device } from '../../device/device.js';
import type { InstructionTiming, ResolvedFields } from '../instruction-fields.js';

/** Exchange: the bytes of the other cores at the rate of the link, behind its latency. */
export function exchangeTiming(fields: ResolvedFields, device: Device): InstructionTiming {
  const { bytesPerCycle, latencyCycles } = device.exchange;
  const received = fields.number('rows') * Math.max(0, fields.number('allLength') - fields.number('length'));
  const streaming = Math.max(1, Math.ceil(received / bytesPerCycle));
  return { initiationInterval: streaming, latency: streaming + latencyCycles };
}
