/**
 * Checks of an entry that need no look into its instructions' fields: symbols, cores, ports, and the frame table
 * against the streams.
 */
import type { Device } from '../../device/device.js';
import { BitloomError } from '../../error.js';
import { bounds, type Interval, symbolsOf } from '../../expression.js';
import { DTYPE_BYTES } from '../../model/types.js';
import { INSTRUCTION_SET } from '../instruction-set.js';
import {
  CORE_SYMBOL,
  coresOf,
  type Frame,
  type Port,
  type Program,
  type ProgramEntry,
  type Stream,
} from '../program.js';

type Fail = (message: string, expected: string, got: string) => never;

/**
 * @throws BitloomError `program-symbol-bounds`, `program-core`, `program-port`, `program-frame`, `program-halt`
 */
export function checkEntry(program: Program, device: Device, entry: ProgramEntry): void {
  checkSymbols(entry);
  const cores = new Set<number>();
  for (const stream of entry.streams) {
    for (const core of coresOf(stream)) {
      const isCore = Number.isInteger(core) && core >= 0 && core < device.cores;
      if (!isCore || cores.has(core)) {
        throw new BitloomError({
          code: 'program-core',
          message: 'a stream runs on a core that the device does not have, or that has another stream',
          where: `entry '${entry.name}'`,
          expected: `each at most once of 0..${device.cores - 1}`,
          got: String(core),
        });
      }
      cores.add(core);
    }
    checkHalt(entry, stream);
  }
  for (const port of [...entry.inputs, ...entry.outputs]) checkPort(program, entry, port);
  for (const [id, frame] of entry.frames.entries()) checkFrame(entry, frame, id);
  checkFrameMarks(entry);
}

function checkSymbols(entry: ProgramEntry): void {
  const names = new Set<string>();
  for (const { name, min, max } of entry.symbols) {
    const isSane = Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 0 && min <= max;
    // i0, i1, ... are loop variables; `core` is the number of the core.
    if (!isSane || names.has(name) || /^i\d+$/.test(name) || name === CORE_SYMBOL) {
      throw new BitloomError({
        code: 'program-symbol-bounds',
        message: 'a symbol is declared with bounds or a name that it cannot have',
        where: `entry '${entry.name}'`,
        expected: `a name of its own, not that of a loop variable or '${CORE_SYMBOL}', and 0 <= min <= max`,
        got: `${name} in ${min}..${max}`,
      });
    }
    names.add(name);
  }
}

/** The last instruction is HALT, and no other is. */
function checkHalt(entry: ProgramEntry, stream: Stream): void {
  const at = stream.instructions.findIndex((instruction) => instruction.name === 'HALT');
  if (at === stream.instructions.length - 1 && at >= 0) return;
  throw new BitloomError({
    code: 'program-halt',
    message: 'a stream ends with its only HALT',
    where: `entry '${entry.name}', core ${stream.core}`,
    expected: `HALT at instruction ${Math.max(0, stream.instructions.length - 1)}`,
    got: at < 0 ? 'no HALT' : `HALT at instruction ${at}`,
  });
}

function checkPort(program: Program, entry: ProgramEntry, port: Port): void {
  const fail: Fail = (message, expected, got) => {
    const where = `entry '${entry.name}', port '${port.name}'`;
    throw new BitloomError({ code: 'program-port', message, where, expected, got });
  };
  const region = program.regions.find((candidate) => candidate.name === port.region);
  if (region === undefined) {
    const known = program.regions.map((candidate) => candidate.name).join(', ');
    fail('the port names a region that the program does not declare', known || 'a region', port.region);
  }
  const intervals: Record<string, Interval> = {};
  for (const { name, min, max } of entry.symbols) intervals[name] = { min, max };
  let bytes = DTYPE_BYTES[port.dtype];
  for (const dimension of port.shape) {
    const unknown = [...symbolsOf(dimension)].find((name) => intervals[name] === undefined);
    if (unknown !== undefined) {
      fail(
        'the shape uses a symbol that the entry does not declare',
        Object.keys(intervals).join(', '),
        unknown,
      );
    }
    bytes *= Math.max(0, bounds(dimension, intervals).max);
  }
  if (bytes > region.bytes) {
    fail(
      'the port does not fit into its region at the longest lengths',
      `at most ${region.bytes} bytes`,
      `${bytes} bytes`,
    );
  }
}

function checkFrame(entry: ProgramEntry, frame: Frame, id: number): void {
  const fail: Fail = (message, expected, got) => {
    const where = `entry '${entry.name}', frame ${id} ('${frame.name}')`;
    throw new BitloomError({ code: 'program-frame', message, where, expected, got });
  };
  const stream = entry.streams.find((candidate) => candidate.core === frame.core);
  if (stream === undefined) {
    const cores = entry.streams.map((candidate) => candidate.core).join(', ');
    fail('the frame is on a core without a stream', cores || 'no core', String(frame.core));
  }
  const { length } = stream.instructions;
  const isRange = Number.isInteger(frame.first) && frame.first >= 0 && frame.count >= 1;
  if (!isRange || frame.first + frame.count > length) {
    fail(
      'the frame is outside of its stream',
      `0..${length}`,
      `${frame.first}..${frame.first + frame.count}`,
    );
  }
  const head = stream.instructions[frame.first];
  if (head.name !== 'FRAME' || (head.fields.frame ?? 0) !== id) {
    fail('the frame does not begin with its FRAME instruction', `FRAME ${id} at ${frame.first}`, head.name);
  }
  for (const index of [...frame.entryPrefetch, ...frame.exitPrefetch]) {
    if (stream.instructions[index]?.name !== 'LD') {
      fail('a prefetch of the frame is not a load', 'the index of an LD', String(index));
    }
  }
  for (const { instruction: index, field } of frame.relocations) {
    const name = stream.instructions[index]?.name ?? '';
    const isAddressField = INSTRUCTION_SET.get(name)?.fields.some(
      (f) => f.name === field && f.kind === 'address',
    );
    if (isAddressField !== true) {
      fail(
        'a relocation of the frame is not an address field',
        'an address field of an instruction',
        `${index}.${field}`,
      );
    }
  }
  for (const range of frame.live) {
    if (!(range.start >= 0 && range.start <= range.end)) {
      fail(`live range '${range.name}' is not a range`, '0 <= start <= end', `${range.start}..${range.end}`);
    }
  }
}

/** Each FRAME instruction is the beginning of the frame it names. */
function checkFrameMarks(entry: ProgramEntry): void {
  for (const stream of entry.streams) {
    for (const [index, instruction] of stream.instructions.entries()) {
      if (instruction.name !== 'FRAME') continue;
      const id = instruction.fields.frame ?? 0;
      const frame = typeof id === 'number' ? entry.frames[id] : undefined;
      if (frame?.first === index && frame.core === stream.core) continue;
      throw new BitloomError({
        code: 'program-frame',
        message: 'FRAME names a frame that does not begin here',
        where: `entry '${entry.name}', core ${stream.core}, instruction ${index}`,
        expected:
          frame === undefined
            ? `0..${entry.frames.length - 1}`
            : `core ${frame.core}, instruction ${frame.first}`,
        got: `frame ${String(id)}`,
      });
    }
  }
}
