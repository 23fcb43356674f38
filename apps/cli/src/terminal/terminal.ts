/**
 * The two streams a command writes to. stdout belongs to the result: text for people, one JSON document, or
 * generated text. Everything else (logs, progress, errors) goes to stderr.
 */
import { EXIT } from '../exit-codes.js';
import { NO_PROGRESS, openProgress, type Progress } from './progress.js';
import { createStyle, type Style, wantsColor } from './style.js';

/** One stream for people. */
export interface Channel {
  readonly style: Style;
  readonly isTTY: boolean;
}

export interface Terminal {
  /** Whether the result is one JSON document. */
  readonly json: boolean;
  readonly out: Channel;
  readonly err: Channel;
  /** Adds to stdout as it is. */
  write(text: string): void;
  /** The one JSON document of a command. */
  document(value: unknown): void;
  /** A line on stderr. */
  log(line: string): void;
  /** A line on stderr for somebody who watches; nothing where stderr is no terminal. */
  status(line: string): void;
  progress(name: string): Promise<Progress>;
  /** Resolves when stdout has taken everything. */
  flush(): Promise<void>;
}

export function openTerminal(options: { readonly json: boolean }): Terminal {
  const { stdout, stderr } = process;
  stdout.on('error', (error) => leaveOnBrokenOutput(error, options.json));
  // Nobody is left to tell when stderr is gone.
  stderr.on('error', () => {});
  const isTTY = stdout.isTTY === true;
  const err = { style: createStyle(wantsColor(stderr, process.env)), isTTY: stderr.isTTY === true };
  // Text need not end in a line break; what follows on stderr starts on a line of its own. Where only one of the two is a
  // terminal they are apart; two pipes may well end in one place.
  let isMidLine = false;
  const endLine = (): void => {
    if (isMidLine && isTTY === err.isTTY) stderr.write('\n');
    isMidLine = false;
  };
  const log = (line: string): void => {
    endLine();
    stderr.write(`${line}\n`);
  };
  return {
    json: options.json,
    out: { style: createStyle(wantsColor(stdout, process.env)), isTTY },
    err,
    write: (text) => {
      if (text === '') return;
      stdout.write(text);
      isMidLine = !text.endsWith('\n');
    },
    document: (value) => {
      stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    log,
    status: (line) => {
      if (err.isTTY) log(err.style.dim(line));
    },
    progress: async (name) => (err.isTTY ? openProgress(name, stderr) : NO_PROGRESS),
    flush: () =>
      new Promise((resolve) => {
        // For the prompt of the shell; a file has what was generated and nothing else.
        if (isTTY) endLine();
        stdout.write('', () => resolve());
      }),
  };
}

/**
 * A reader that has enough (`| head`) ends the command quietly; any other failure of stdout, such as a full disk, is
 * reported. Both leave at once: there is nowhere to put a result.
 */
function leaveOnBrokenOutput(error: NodeJS.ErrnoException, json: boolean): never {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  const [code, message] = ['output-failed', 'the output cannot be written'];
  process.stderr.write(
    json
      ? `${JSON.stringify({ error: { code, message, where: 'stdout', got: error.message } })}\n`
      : `error: ${message} [${code}]\n  where: stdout\n  got:   ${error.message}\n`,
  );
  process.exit(EXIT.badInput);
}
