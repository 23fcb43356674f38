/**
 * Outcomes in a file, one JSON document per line, added as they come. A process that ends at any moment leaves at most
 * one half line at the end, which is dropped when the file is opened again. The first line says what the file is, so that
 * no other file is added to.
 */
import { closeSync, existsSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { BitloomError } from '@bitloom/ir';
import { readSmallFile } from '@bitloom/ir/node';
import type { EvaluatedDesign } from '../explore.js';
import type { Outcome } from '../outcome.js';

export interface StateFile {
  /** Outcomes by key, of every search that wrote here. */
  readonly known: ReadonlyMap<string, Outcome>;
  /** Whether a half line was dropped. */
  readonly isRepaired: boolean;
  /** Adds an outcome; it is in the file when this returns. @throws BitloomError `exploration-state-write` */
  add(design: EvaluatedDesign): void;
  close(): void;
}

/** Largest file that is gone on from: about a million designs. */
const MAX_STATE = 256 << 20;

const HEADER = { kind: 'bitloom-exploration', version: 1 };

/** Opens a file of outcomes, or begins a new one. @throws BitloomError `exploration-state-invalid`, `exploration-state-write` */
export function openStateFile(path: string): StateFile {
  const text = existsSync(path) ? read(path) : '';
  const end = text.lastIndexOf('\n') + 1;
  const lines = text.slice(0, end).split('\n').slice(0, -1);
  // Half a header is a file that was begun and no more; half of anything else is some other file.
  const isBegun = lines.length === 0 && JSON.stringify(HEADER).startsWith(text);
  if (lines.length === 0 && !isBegun) throw invalid(path, 1, text);
  const known = new Map<string, Outcome>();
  lines.forEach((line, i) => {
    const parsed = parse(line);
    if (i === 0) {
      if (parsed?.kind !== HEADER.kind || parsed.version !== HEADER.version) throw invalid(path, 1, line);
      return;
    }
    const outcome = parsed === undefined ? undefined : outcomeOf(parsed);
    if (outcome === undefined || typeof parsed?.key !== 'string') throw invalid(path, i + 1, line);
    known.set(parsed.key, outcome);
  });
  const file = attempt(path, () => {
    const opened = openSync(path, 'a');
    const bytes = Buffer.byteLength(text.slice(0, end));
    if (end < text.length) ftruncateSync(opened, bytes);
    if (lines.length === 0) writeSync(opened, `${JSON.stringify(HEADER)}\n`);
    return opened;
  });
  return {
    known,
    isRepaired: end < text.length,
    add: ({ key, device, settings, outcome }) => {
      // One write of a whole line: several processes may add to one file.
      const line = JSON.stringify({ key, device: device.name, settings, ...outcome });
      attempt(path, () => writeSync(file, `${line}\n`));
    },
    close: () => closeSync(file),
  };
}

function read(path: string): string {
  try {
    // A mark at the beginning stays: places in the text are places in the file.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(readSmallFile(path, MAX_STATE));
  } catch (cause) {
    if (cause instanceof BitloomError) throw invalid(path, 1, cause.got ?? cause.message, cause.expected);
    throw invalid(path, 1, cause instanceof Error ? cause.message : String(cause));
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The outcome of a line, or undefined when it has none. */
function outcomeOf({ measures, failure }: Record<string, unknown>): Outcome | undefined {
  if (isRecord(failure)) {
    const { code, message } = failure;
    return typeof code === 'string' && typeof message === 'string'
      ? { failure: { code, message } }
      : undefined;
  }
  if (!isRecord(measures)) return undefined;
  const { prefillSeconds, prefillTokensPerSecond, decodeSeconds, tokensPerSecond, joulesPerToken } = measures;
  return isAmount(prefillSeconds) &&
    isAmount(prefillTokensPerSecond) &&
    isAmount(decodeSeconds) &&
    isAmount(tokensPerSecond) &&
    isAmount(joulesPerToken)
    ? { measures: { prefillSeconds, prefillTokensPerSecond, decodeSeconds, tokensPerSecond, joulesPerToken } }
    : undefined;
}

const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

const SHOWN = 60;

function invalid(path: string, line: number, got: string, file?: string): BitloomError {
  return new BitloomError({
    code: 'exploration-state-invalid',
    message: 'this is not a file of explored designs',
    where: `${path}, line ${line}`,
    expected: `${file === undefined ? '' : `${file}, `}JSON lines as an exploration writes them`,
    got: got.length > SHOWN ? `${got.slice(0, SHOWN)}...` : got,
    hint: 'name another file, or a new one',
  });
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new BitloomError({
      code: 'exploration-state-write',
      message: 'the file of explored designs cannot be written',
      where: path,
      expected: 'a file you may write to, and room for it',
      got: cause instanceof Error ? cause.message : String(cause),
      hint: 'name another file with --state',
      cause,
    });
  }
}
