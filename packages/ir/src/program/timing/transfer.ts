/** LD and ST: what the unit itself takes. The bytes are timed by memory channels and ports. */
import type { InstructionTiming, ResolvedFields } from '../instruction-fields.js';

/** Load and store: one cycle of the unit to compute addresses of each run; the bytes are timed by the memory. */
export function transferTiming(fields: ResolvedFields): InstructionTiming {
  const runs = Math.max(1, fields.number('count1')) * Math.max(1, fields.number('count2'));
  return { initiationInterval: runs, latency: runs };
}
