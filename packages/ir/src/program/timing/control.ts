/** Control instructions and SYNC: one cycle, no work. */
import type { InstructionTiming, InstructionWork } from '../instruction-fields.js';

const NO_WORK: InstructionWork = { macs: 0, vectorElements: 0 };

/** Control instructions: one cycle. */
export function controlTiming(): InstructionTiming {
  return { initiationInterval: 1, latency: 1 };
}

export function noWork(): InstructionWork {
  return NO_WORK;
}
