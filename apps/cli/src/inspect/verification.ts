/**
 * `inspect --verify`: reads an artefact or checkpoint whole and holds it against its rules. What fails is a finding
 * about the file, not an error of the command.
 */
import { BitloomError, type Model, type Program, verifyModel, verifyProgram } from '@bitloom/ir';
import type { FileContainer } from '@bitloom/ir/node';
import { loadDevice } from '../input/load-device.js';
import type { Terminal } from '../terminal/terminal.js';

export interface Verification {
  readonly ok: boolean;
  /** What was found sound. */
  readonly checks: readonly string[];
  readonly problem?: Readonly<Record<string, string>>;
}

/** A check gives a line about what it found, or throws. */
type Check = () => string | Promise<string>;

/** Runs checks until one fails. */
export async function runChecks(checks: readonly Check[]): Promise<Verification> {
  const passed: string[] = [];
  for (const check of checks) {
    try {
      passed.push(await check());
    } catch (error) {
      if (!(error instanceof BitloomError) || error.code === 'internal') throw error;
      return { ok: false, checks: passed, problem: error.toJSON() };
    }
  }
  return { ok: true, checks: passed };
}

const CHUNK = 1 << 20;

/** Reading a section compares it with its checksums. */
export function sectionsCheck(container: FileContainer, terminal: Terminal): Check {
  return async () => {
    const { entries, sections } = container;
    const total = entries.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const progress = await terminal.progress('reading');
    let done = 0;
    for (const { name, byteLength } of entries) {
      for (let offset = 0; offset < byteLength; offset += CHUNK) {
        done += sections.read(name, offset, Math.min(CHUNK, byteLength - offset)).byteLength;
        progress.update(done, total);
      }
    }
    progress.stop();
    return `checksums of ${entries.length} sections, ${total} bytes`;
  };
}

export function modelCheck(model: Model): Check {
  return () => {
    const types = verifyModel(model);
    const values = [...types.values()].reduce((sum, map) => sum + map.size, 0);
    return `types of ${values} values in ${types.size} functions`;
  };
}

export function programCheck(program: Program): Check {
  return async () => {
    const device = await loadDevice(program.device);
    const { entries } = verifyProgram(program, device);
    const sum = (pick: (entry: (typeof entries)[number]) => number): number =>
      entries.reduce((total, entry) => total + pick(entry), 0);
    const proved = sum(({ accesses }) => accesses.proved);
    const sampled = sum(({ accesses }) => accesses.sampled);
    const lengths = sum((entry) => entry.lengths.length);
    return `bounds, tokens and hazards: ${proved} accesses for every length, ${sampled} at ${lengths} lengths`;
  };
}
