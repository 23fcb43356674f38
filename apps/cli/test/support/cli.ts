/** Runs the built command as a person or a script would: another process, real streams, real exit codes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { buildPackages } from '../../../../test/support/build.js';
import { repositoryRoot } from '../../../../test/support/data.js';

const BIN = resolve(repositoryRoot, 'apps', 'cli', 'dist', 'bin.js');

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called once with the process, to send it a signal for example. */
  readonly onSpawn?: (child: { kill(signal: NodeJS.Signals): void }) => void;
}

/** Nothing of the tests' own environment decides about colour or data. */
function environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = process.env;
  return { ...rest, ...extra };
}

export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return command(process.execPath, [BIN, ...args], options);
}

/** A shell line in which `$BITLOOM` runs the command. */
export function shell(line: string, options: CliOptions = {}): Promise<CliResult> {
  const env = { ...options.env, BITLOOM: `"${process.execPath}" "${BIN}"` };
  return command('bash', ['-c', line.replaceAll('$BITLOOM', env.BITLOOM)], { ...options, env });
}

function command(program: string, args: readonly string[], options: CliOptions): Promise<CliResult> {
  return new Promise((done, failed) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', failed);
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
    options.onSpawn?.(child);
  });
}

/** The one JSON document of a run that succeeds, in the form that a test expects and holds it to. */
export async function cliJson<T = Record<string, unknown>>(
  args: readonly string[],
  options: CliOptions & { code?: number } = {},
): Promise<T> {
  const { code, stdout, stderr } = await cli([...args, '--json'], options);
  expect(code, stderr).toBe(options.code ?? 0);
  // JSON.parse takes one document and nothing after it.
  return JSON.parse(stdout);
}

/** Expects bad input: exit code 2, the error code named, nothing on stdout, no stack trace. */
export async function expectRefusal(
  args: readonly string[],
  errorCode: string,
  options: CliOptions = {},
): Promise<CliResult> {
  const result = await cli(args, options);
  expect(result, args.join(' ')).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toContain(`[${errorCode}]`);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  return result;
}

let built = false;

/** Builds the command and what it needs before the tests of a file; a build that is fresh costs a moment. */
export function useBuiltCli(): void {
  beforeAll(() => {
    if (built) return;
    buildPackages();
    built = true;
  }, 300_000);
}

/** A folder of its own for the tests of a file. */
export function useScratch(): { path(...parts: string[]): string } {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bitloom-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return { path: (...parts) => join(folder, ...parts) };
}
