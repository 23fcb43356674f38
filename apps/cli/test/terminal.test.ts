/** Where a line on stderr begins after text on stdout. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openTerminal } from '../src/terminal/terminal.js';

const STREAMS = ['stdout', 'stderr'] as const;
const before = STREAMS.map((name) => Object.getOwnPropertyDescriptor(process[name], 'isTTY'));
/** Both streams, as in one file. */
let said = '';

function setTTY(name: (typeof STREAMS)[number], value: boolean): void {
  Object.defineProperty(process[name], 'isTTY', { value, configurable: true, writable: true });
}

beforeEach(() => {
  said = '';
  for (const name of STREAMS) {
    vi.spyOn(process[name], 'write').mockImplementation((text: unknown, done?: unknown) => {
      said += String(text);
      if (typeof done === 'function') done();
      return true;
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  for (const [i, name] of STREAMS.entries()) {
    const descriptor = before[i];
    if (descriptor === undefined) Reflect.deleteProperty(process[name], 'isTTY');
    else Object.defineProperty(process[name], 'isTTY', descriptor);
  }
});

test.each([
  ['two pipes', false, false, 'Lily\nload\n', 'Lily'],
  ['a terminal', true, true, 'Lily\nload\n', 'Lily\n'],
  ['text to a file, stderr to a terminal', false, true, 'Lilyload\n', 'Lily'],
  ['text to a terminal, stderr to a file', true, false, 'Lilyload\n', 'Lily'],
])('%s', async (_, out, err, expected, alone) => {
  setTTY('stdout', out);
  setTTY('stderr', err);
  const terminal = openTerminal({ json: false });
  terminal.write('Lily');
  terminal.log('load');
  await terminal.flush();
  expect(said).toBe(expected);
  said = '';
  terminal.write('Lily\n');
  terminal.log('load');
  expect(said).toBe('Lily\nload\n');
  said = '';
  terminal.write('Lily');
  await terminal.flush();
  expect(said).toBe(alone);
});
