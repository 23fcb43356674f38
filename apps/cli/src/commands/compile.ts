/** `bitloom compile`: a model and a card become a program, verified before it is written. */
import {
  type InstructionBytes,
  isShapeOnly,
  type Program,
  type VerifiedProgram,
  verifyProgram,
} from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { EXIT } from '../exit-codes.js';
import { compileFor, countInstructionBytes } from '../input/compiled-model.js';
import { loadDevice } from '../input/load-device.js';
import { programContent } from '../input/program-file.js';
import { QUICK_CHECK } from '../input/quick-check.js';
import { type ProgramStats, programStats } from '../inspect/program-stats.js';
import { statsText } from '../inspect/summary-text.js';
import { modelInputs } from '../output/require-not-input.js';
import { requireWritable } from '../output/require-writable.js';
import { writeLarge } from '../output/write-large.js';
import { groupNotes } from '../terminal/notes.js';
import { bytes, count } from '../terminal/quantity.js';
import { formatFacts } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export interface CompileOptions {
  readonly device: string;
  readonly scheme?: string;
  readonly output?: string;
  readonly tokenizer?: string;
  readonly context?: number;
  readonly stats?: boolean;
  readonly weights: boolean;
  readonly verify: boolean;
}

export async function compileModel(
  spec: string,
  options: CompileOptions,
  terminal: Terminal,
): Promise<number> {
  requireWritable(options.output, [...modelInputs(spec, options.tokenizer), options.device]);
  const device = await loadDevice(options.device);
  const open = await openModel(spec, options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer });
  try {
    // The identity covers every weight, so it is worked out only for a file that will carry it.
    const request = { identified: options.output !== undefined };
    const { program, bundle, notes } = await compileFor(open, device, options, terminal, request);
    const instructionBytes = await countInstructionBytes(program, terminal);
    if (options.verify) terminal.status('verifying the program');
    const verified = options.verify ? verifyProgram(program, device, QUICK_CHECK) : undefined;
    let fileBytes: number | undefined;
    if (options.output !== undefined) {
      const travels = options.weights && !isShapeOnly(bundle.model);
      const content = programContent(program, travels ? bundle : undefined);
      fileBytes = await writeLarge(options.output, content, terminal);
      terminal.log(`wrote ${options.output} (${bytes(fileBytes)})`);
    }
    const result = {
      program,
      notes,
      instructionBytes,
      verified,
      file: options.output,
      fileBytes,
      stats: options.stats === true ? programStats(program) : undefined,
    };
    if (terminal.json) terminal.document(compileDocument(result));
    else terminal.write(compileText(result, terminal));
    return EXIT.ok;
  } finally {
    open.close();
  }
}

interface CompileResult {
  readonly program: Program;
  readonly notes: readonly string[];
  readonly instructionBytes: InstructionBytes;
  readonly verified: VerifiedProgram | undefined;
  readonly file: string | undefined;
  readonly fileBytes: number | undefined;
  readonly stats: ProgramStats | undefined;
}

function compileDocument(result: CompileResult): Record<string, unknown> {
  const { program, notes, instructionBytes, verified, file, fileBytes, stats } = result;
  return {
    program: program.name,
    device: program.device,
    scheme: program.numerics.scheme,
    shapeOnly: program.shapeOnly,
    context: program.capacity,
    entries: program.entries.map(({ name, streams }) => ({
      name,
      instructions: streams.reduce((sum, stream) => sum + stream.instructions.length, 0),
    })),
    instructionBytes,
    verified: verified !== undefined,
    ...(file === undefined ? {} : { file, fileBytes, modelHash: program.modelHash }),
    deviceHash: program.deviceHash,
    notes: [...notes, ...program.notes],
    ...(stats === undefined ? {} : { stats }),
  };
}

function compileText(result: CompileResult, { out }: Terminal): string {
  const { program, notes, instructionBytes, verified, stats } = result;
  const entries = program.entries.map(({ name, streams }) => {
    const instructions = streams.reduce((sum, stream) => sum + stream.instructions.length, 0);
    return `${name} ${count(instructions)}`;
  });
  const facts: [string, string][] = [
    ['scheme', program.numerics.scheme],
    ['context', `${program.capacity} tokens${program.shapeOnly ? '; shapes only, no weights' : ''}`],
    ['instructions', entries.join(', ')],
    ['stored as', `${bytes(instructionBytes.total)}: one program for every length`],
    [
      'instead of',
      `${bytes(instructionBytes.bucketed)} in buckets of lengths, ${bytes(instructionBytes.unbucketed)} with one program per length`,
    ],
    ['verified', verified === undefined ? 'no' : verifiedText(verified)],
  ];
  const lines = groupNotes([...notes, ...program.notes]).map(
    (note) => `  ${out.style.dim('note')}  ${note}\n`,
  );
  const more = stats === undefined ? '' : `\n${statsText(stats, out)}`;
  return `${out.style.strong(program.name)}\n${formatFacts(facts, out)}${lines.join('')}${more}`;
}

function verifiedText({ entries }: VerifiedProgram): string {
  const sum = (pick: (entry: VerifiedProgram['entries'][number]) => number): number =>
    entries.reduce((total, entry) => total + pick(entry), 0);
  const lengths = sum((entry) => entry.lengths.length);
  return `${count(sum((e) => e.accesses.proved))} accesses proved for every length, ${count(sum((e) => e.accesses.sampled))} at ${lengths} lengths`;
}
