/** An error of the parser as something to print. It points to the help of the command that was meant, if any was. */
import type { Command, CommanderError } from 'commander';
import { EXIT } from '../exit-codes.js';
import type { ErrorText } from './error-text.js';

/**
 * @param commandLine the parser that threw
 * @param args what was typed after the program's name
 */
export function describeUsage(
  error: CommanderError,
  commandLine: Command,
  args: readonly string[],
): ErrorText {
  // The program itself has no option with a value, so the first word is the command.
  const word = args.find((arg) => !arg.startsWith('-'));
  const command = commandLine.commands.find((one) => one.name() === word);
  const help = command === undefined ? 'bitloom --help' : `bitloom ${command.name()} --help`;
  return {
    code: 'usage',
    headline: error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '),
    facts: [['hint', `see \`${help}\``]],
    exitCode: EXIT.badInput,
  };
}
