/**
 * Code blocks of the READMEs as programs. A block fenced as `ts` or `js` is run by the tests; `ts no-run` is only
 * type-checked (it needs a file the reader has to bring). Lines that are a comment starting with `// =>` after a
 * statement, or alone on a line, state what the block prints, in order; a block without them may print anything.
 */
import { readFileSync } from 'node:fs';
import { fromRoot, readWorkspaces } from './workspace.js';

/** One code block of a README. */
export interface Snippet {
  /** README it stands in, relative to the repository root. */
  readme: string;
  /** Line of the opening fence, from 1. */
  line: number;
  language: 'ts' | 'js';
  /** False for a block marked `no-run`. */
  runs: boolean;
  code: string;
}

const fence = /^```(ts|js)([^\n`]*)\n([\s\S]*?)^```[ \t]*$/gm;

/** The `ts` and `js` blocks of one README, top to bottom. */
export function snippetsOf(readme: string): Snippet[] {
  const text = readFileSync(fromRoot(readme), 'utf8');
  return [...text.matchAll(fence)].map((match) => ({
    readme,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] === 'js' ? 'js' : 'ts',
    runs: !match[2].split(/\s+/).includes('no-run'),
    code: match[3],
  }));
}

/** READMEs of the repository and of every workspace. */
export function readmes(): string[] {
  return ['README.md', ...readWorkspaces().map(({ folder }) => `${folder}/README.md`)];
}

/** The printed lines a block promises with `// =>`; undefined when it promises none. */
export function promisedOutput(code: string): string | undefined {
  const lines = [...code.matchAll(/\/\/ => ?(.*)$/gm)].map((match) => match[1].trimEnd());
  return lines.length === 0 ? undefined : lines.join('\n');
}
