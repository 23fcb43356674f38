/**
 * Keeps a command from replacing what it reads. Files are the same where the system says so, by device and number of
 * the file: another spelling of the path, a symbolic link and a hard link are all found. Of a folder that is read,
 * every file in it is an input.
 */
import { type BigIntStats, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { BitloomError } from '@bitloom/ir';

/** Names under which a tokenizer is found beside a llama2.c checkpoint without being asked for. */
const NEIGHBOUR = /^tok(?:\d+|enizer)\.bin$/;

/**
 * What a command reads of a model: the model, and its tokenizer or those beside it.
 * @param model a path, or a name of the zoo
 */
export function modelInputs(model: string, tokenizer: string | undefined): readonly string[] {
  if (tokenizer !== undefined) return [model, tokenizer];
  const stat = statOf(model);
  if (stat === undefined || stat.isDirectory()) return [model];
  const folder = dirname(model);
  const neighbours = filesOf(folder).filter((name) => NEIGHBOUR.test(name));
  return [model, ...neighbours.map((name) => join(folder, name))];
}

/**
 * @param inputs paths that are read, or names that are no paths
 * @throws BitloomError `output-is-input`
 */
export function requireNotInput(output: string, inputs: readonly (string | undefined)[]): void {
  const place = statOf(output);
  // What is not there yet replaces nothing.
  if (place === undefined) return;
  for (const input of inputs) {
    const found = input === undefined ? undefined : sameFile(output, place, input);
    if (found !== undefined) throw outputIsInput(output, found);
  }
}

/** How the input is called that `output` is; undefined where they are different. */
function sameFile(output: string, place: BigIntStats, input: string): string | undefined {
  const read = statOf(input);
  if (read === undefined) return undefined;
  if (isSame(output, place, input, read)) return input;
  if (!read.isDirectory()) return undefined;
  if (isInside(output, input)) return `a file of ${input}`;
  return filesOf(input)
    .map((name) => join(input, name))
    .find((path) => {
      const stat = statOf(path);
      return stat !== undefined && isSame(output, place, path, stat);
    });
}

function isSame(a: string, statA: BigIntStats, b: string, statB: BigIntStats): boolean {
  // Some file systems number nothing; there only the path can tell.
  if (statA.ino === 0n) return realPath(a) === realPath(b);
  return statA.dev === statB.dev && statA.ino === statB.ino;
}

function isInside(path: string, folder: string): boolean {
  const root = realPath(folder);
  return realPath(path).startsWith(root.endsWith(sep) ? root : root + sep);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A path through a file, or one that may not be looked at: whoever opens it says so.
    return undefined;
  }
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function outputIsInput(output: string, input: string): BitloomError {
  return new BitloomError({
    code: 'output-is-input',
    message: 'the output would replace what the command reads',
    where: output,
    expected: 'a file that is no input of this command',
    got: `the same file as ${input}`,
    hint: 'write to another name, and replace the input yourself once the result is checked',
  });
}
