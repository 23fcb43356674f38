/**
 * From arguments to an exit code: parses, runs one command, and turns whatever it throws into a message on stderr.
 * Only the parser is loaded here; every command loads what it needs when it runs.
 */
import { CommanderError } from 'commander';
import { createCommandLine } from './command-line.js';
import { EXIT } from './exit-codes.js';
import { describeError, type ErrorText, factLabel } from './terminal/error-text.js';
import { openTerminal, type Terminal } from './terminal/terminal.js';
import { describeUsage } from './terminal/usage-text.js';

/** @param argv as in `process.argv` */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = openTerminal({ json: argv.includes('--json') });
  let exitCode: number = EXIT.ok;
  const commandLine = createCommandLine(terminal, (code) => {
    exitCode = code;
  });
  try {
    await commandLine.parseAsync([...argv]);
    await terminal.flush();
    return exitCode;
  } catch (error) {
    // Help and version end as errors of the parser too; they have been printed.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.badInput;
    const text =
      error instanceof CommanderError
        ? describeUsage(error, commandLine, argv.slice(2))
        : describeError(error);
    report(text, terminal);
    return text.exitCode;
  }
}

/** One JSON line, or a headline with its facts below. */
function report(error: ErrorText, terminal: Terminal): void {
  if (terminal.json) {
    const details = { code: error.code, message: error.headline, ...Object.fromEntries(error.facts) };
    terminal.log(JSON.stringify({ error: details }));
    return;
  }
  const { style } = terminal.err;
  const facts = error.facts.map(([name, value]) => [factLabel(name), value] as const);
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  terminal.log(`${style.bad('error')}: ${error.headline} ${style.dim(`[${error.code}]`)}`);
  for (const [name, value] of facts) terminal.log(`  ${style.dim(`${name}:`.padEnd(width + 1))} ${value}`);
}
