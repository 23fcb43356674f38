/**
 * Runs the command line inside the test: the same declarations and commands from source, without a process of its own.
 * For the many refusals; that errors become messages and exit codes is shown with the built command.
 */
import { CommanderError } from 'commander';
import { expect } from 'vitest';
import { createCommandLine } from '../../src/command-line.js';
import { describeError } from '../../src/terminal/error-text.js';
import { NO_PROGRESS } from '../../src/terminal/progress.js';
import { createStyle } from '../../src/terminal/style.js';
import type { Terminal } from '../../src/terminal/terminal.js';
import { describeUsage } from '../../src/terminal/usage-text.js';

export interface Run {
  /** Code of the error; `usage` for those of the parser; undefined: none. */
  readonly code: string | undefined;
  /** Headline and facts of the error. */
  readonly error: string;
  readonly exitCode: number;
  readonly stdout: string;
  /** Lines on stderr beside the error. */
  readonly log: readonly string[];
}

export async function runInProcess(args: readonly string[]): Promise<Run> {
  let [stdout, exitCode] = ['', 0];
  const log: string[] = [];
  const channel = { style: createStyle(false), isTTY: false };
  const terminal: Terminal = {
    json: args.includes('--json'),
    out: channel,
    err: channel,
    write: (text) => {
      stdout += text;
    },
    document: (value) => {
      stdout += JSON.stringify(value);
    },
    log: (line) => {
      log.push(line);
    },
    status: () => {},
    progress: async () => NO_PROGRESS,
    flush: async () => {},
  };
  const finish = (code: number): void => {
    exitCode = code;
  };
  const commandLine = createCommandLine(terminal, finish);
  try {
    await commandLine.parseAsync(['node', 'bitloom', ...args]);
    return { code: undefined, error: '', exitCode, stdout, log };
  } catch (error) {
    const {
      code,
      headline,
      facts,
      exitCode: status,
    } = error instanceof CommanderError ? describeUsage(error, commandLine, args) : describeError(error);
    const lines = [headline, ...facts.map((fact) => fact.join(': '))];
    return { code, error: lines.join('\n'), exitCode: status, stdout, log };
  }
}

/** Expects bad input: exit code 2, the error code named, nothing on stdout. */
export async function expectRefused(args: readonly string[], errorCode: string): Promise<Run> {
  const run = await runInProcess(args);
  expect(run, args.join(' ')).toMatchObject({ code: errorCode, exitCode: 2, stdout: '' });
  return run;
}
