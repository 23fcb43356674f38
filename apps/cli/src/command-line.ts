/**
 * The command line as declarations: commands, arguments, options, help. Nothing is done here and nothing else is
 * loaded; an action loads its command's module and hands it the parsed values.
 */
import { Command, Help, Option } from 'commander';
import type { CompareOptions } from './commands/compare.js';
import type { CompileOptions } from './commands/compile.js';
import type { DemoOptions } from './commands/demo.js';
import type { DevicesOptions } from './commands/devices.js';
import type { DramOptions } from './commands/dram.js';
import type { EvalOptions } from './commands/eval.js';
import type { ExploreOptions } from './commands/explore.js';
import type { ExportOptions } from './commands/export.js';
import type { FormatsOptions } from './commands/formats.js';
import type { ImportOptions } from './commands/import.js';
import type { InspectOptions } from './commands/inspect.js';
import type { QuantizeOptions } from './commands/quantize.js';
import type { RunOptions } from './commands/run.js';
import type { SimulateOptions } from './commands/simulate.js';
import { KERNEL_NAMES, MOST_THREADS } from './input/kernel-names.js';
import { LENGTH_MODES } from './input/length-modes.js';
import { OBJECTIVE_NAMES } from './input/objective-names.js';
import { collect, integer, namesOf, number, splitSchemes, stepOfRun } from './option-values.js';
import type { Terminal } from './terminal/terminal.js';
import { version } from './version.js';

const MODEL = 'file, folder or zoo name (see `bitloom models`)';
/** Masks of attention: rules and files are told apart by whether the file is there. */
const ATTENTION_BLOCKS = 'blocks of tokens that attention sees: flightllm, local=4,global=1, or a JSON file';
const THREADS = `threads, 1 to ${MOST_THREADS}`;
/** Addresses of patterns stay safe integers up to here. */
const MOST_REQUESTS = 2 ** 22;
/** Designs of a search: fronts are sorted by comparing all with all. */
const MOST_POINTS = 10_000;
const MODEL_OR_PROGRAM = `${MODEL}, or a compiled program`;

/** The description as help shows it, with what commander leaves out: that there is no default. */
function optionDescription(option: Option): string {
  const description = new Help().optionDescription(option);
  return option.mandatory ? `${description} (required)` : description;
}

/** A new one for each command: commander keeps values in them. */
function kernelsOption(): Option {
  return new Option('--kernels <name>', 'arithmetic: the best there is, or one by name')
    .choices(KERNEL_NAMES)
    .default('auto');
}

/**
 * @param terminal where commands write
 * @param finish takes the exit code of the command that ran
 */
export function createCommandLine(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const root = new Command('bitloom')
    .description('Map low-bit networks onto FPGA accelerators: quantise, compile, simulate and run.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .configureHelp({ optionDescription })
    .configureOutput({ outputError: () => {} })
    .exitOverride();

  /** A command, with the options every command has. */
  const add = (usage: string, description: string): Command => {
    const command = root.command(usage).description(description).allowExcessArguments(false);
    return command.option('--json', 'print one JSON document on stdout');
  };

  add('devices', 'list the cards, or describe one')
    .argument('[device]', 'name of a card, or file of a device')
    .option('-o, --output <file>', 'write the device as an artefact')
    .action(async (device: string | undefined, options: DevicesOptions) => {
      const { devices } = await import('./commands/devices.js');
      finish(await devices(device, options, terminal));
    });

  add('dram', 'run an access pattern on a channel of a DRAM part')
    .option('-d, --device <name>', 'part, JSON file of parts (FILE#NAME for one), or all', 'HBM2')
    .option(
      '-p, --pattern <name>',
      'sequential, stride_4096, random, random_block_4096, streams_4_same_bank, ..., or all',
      'sequential',
    )
    .option('--requests <n>', 'bursts to ask for', integer(1, MOST_REQUESTS), 262144)
    .option('--queue <entries>', 'reads and as many writes that the controller holds', integer(1, 65536), 257)
    .option('--outstanding <n>', 'most requests under way (default: as the queues allow)', integer(1))
    .action(async (options: DramOptions) => {
      const { dram } = await import('./commands/dram.js');
      finish(await dram(options, terminal));
    });

  add('models', 'list the models of the zoo: shapes without weights').action(async () => {
    const { models } = await import('./commands/models.js');
    finish(await models(terminal));
  });

  add('import', 'read a checkpoint and write it as a bitloom model')
    .argument('<model>', MODEL)
    .requiredOption('-o, --output <file>', 'file to write')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--context <tokens>', 'longest sequence to make room for', integer(1))
    .action(async (model: string, options: ImportOptions) => {
      const { importModel } = await import('./commands/import.js');
      finish(await importModel(model, options, terminal));
    });

  add('formats', 'list number formats and quantisation schemes, or describe one')
    .argument('[name]', 'scheme or element format')
    .option('--svg <file>', 'write a picture of the code points')
    .action(async (name: string | undefined, options: FormatsOptions) => {
      const { formats } = await import('./commands/formats.js');
      finish(await formats(name, options, terminal));
    });

  add('compare', 'a model in several schemes side by side: size, error, perplexity')
    .argument('<model>', MODEL)
    .requiredOption(
      '-s, --schemes <names>',
      'schemes, divided by commas (see `bitloom formats`)',
      (value: string, previous: string[] | undefined) => splitSchemes(value, previous, terminal.log),
    )
    .option('--text <file>', 'text to score, UTF-8; without it there is no perplexity')
    .option('--context <tokens>', 'tokens of a window', integer(3), 256)
    .option('--chunks <n>', 'most windows of the text (default: all)', integer(1))
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--threads <n>', THREADS, integer(1, MOST_THREADS), 1)
    .action(async (model: string, options: CompareOptions) => {
      const { compare } = await import('./commands/compare.js');
      finish(await compare(model, options, terminal));
    });

  add('quantize', 'rewrite a model in a low-bit scheme')
    .argument('<model>', MODEL)
    .requiredOption('-s, --scheme <name>', 'W8A8, W4A8, stored, MXFP4, Q4_K, ... (see `bitloom formats`)')
    .requiredOption('-o, --output <file>', 'file to write')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--context <tokens>', 'longest sequence to make room for', integer(1))
    .option('--attention-blocks <rule>', ATTENTION_BLOCKS)
    .option('--text <file>', 'text to score before and after, UTF-8')
    .option('--window <tokens>', 'tokens of a window of the text', integer(3), 256)
    .option('--chunks <n>', 'most windows (default: all)', integer(1))
    .option('--threads <n>', `${THREADS}, that score the text`, integer(1, MOST_THREADS), 1)
    .action(async (model: string, options: QuantizeOptions) => {
      const { quantize } = await import('./commands/quantize.js');
      finish(await quantize(model, options, terminal));
    });

  add('export', 'write a model as a checkpoint of other programs')
    .argument('<model>', MODEL)
    .requiredOption('-f, --format <name>', 'gguf (a file) or hf (a folder)')
    .option('-t, --type <name>', 'gguf: f16 (default), q8_0, q4_K, ...; hf: f32 (default), gptq, awq, ...')
    .requiredOption('-o, --output <path>', 'file or folder to write')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--bits <n>', 'hf: width of integers', integer(1))
    .option('--group-size <n>', 'hf: columns that share a scale', integer(1))
    .option('--asymmetric', 'hf: integers with zero points')
    .action(async (model: string, options: ExportOptions) => {
      const { exportModel } = await import('./commands/export.js');
      finish(await exportModel(model, options, terminal));
    });

  add('compile', 'compile a model for a card')
    .argument('<model>', MODEL)
    .option('-d, --device <name>', 'card, or file of a device', 'u280')
    .option(
      '-s, --scheme <name>',
      'scheme to quantise to (default: what the model is in or stored as, else W4A8)',
    )
    .option('-o, --output <file>', 'write the program')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--context <tokens>', "longest context (default: the model's, at most 4096)", integer(1))
    .option('--stats', 'say more: instructions by kind, memory image')
    .option('--no-weights', 'leave the weights out of the file; `run` then needs --model')
    .option('--attention-blocks <rule>', ATTENTION_BLOCKS)
    .option('--no-onchip-decode', 'send activations of decode to memory and back after every step')
    .option('--no-sparse-chains', 'compute the zeros of sparse weights')
    .option('--no-verify', 'skip the verifier')
    .action(async (model: string, options: CompileOptions) => {
      const { compileModel } = await import('./commands/compile.js');
      finish(await compileModel(model, options, terminal));
    });

  add('simulate', 'time a model on a card: latency, energy, where the cycles go')
    .argument('<model>', MODEL_OR_PROGRAM)
    .option('-d, --device <name>', 'card, or file of a device (default: u280, or what the program is for)')
    .option(
      '-s, --scheme <name>',
      'scheme to quantise to (default: what the model is in or stored as, else W4A8)',
    )
    .option('--prefill <tokens>', 'tokens of the prompt', integer(0), 128)
    .option('--decode <tokens>', 'tokens to generate', integer(0), 1)
    .option('--context <tokens>', "longest context (default: the model's, at most 4096)", integer(1))
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--attention-blocks <rule>', ATTENTION_BLOCKS)
    .option('--no-onchip-decode', 'send activations of decode to memory and back after every step')
    .option('--no-sparse-chains', 'compute the zeros of sparse weights')
    .addOption(
      new Option(
        '--lengths <mode>',
        'programs that resolve lengths, of one bucket of lengths, or of one length',
      )
        .choices(LENGTH_MODES)
        .default('resolved'),
    )
    .option(
      '--reuse',
      'execute only as many decode steps as it takes to know all within 0.1 %; those of a trace are executed all, unless --trace-step names one',
    )
    .option(
      '--threads <n>',
      `${THREADS}, that decode steps are divided among (default: those of the machine)`,
      integer(1, MOST_THREADS),
    )
    .option('--trace <file>', 'write a timeline for Perfetto (ui.perfetto.dev)')
    .option('--html <file>', 'write a report as one self-contained page')
    .option('--save-report <file>', 'write the report artefact')
    .option('--save-trace <file>', 'write the trace artefact')
    .option(
      '--trace-step <step>',
      'record one call alone: prefill, last, or a decode step from 0 (default: as many as fit)',
      stepOfRun,
    )
    .action(async (model: string, options: SimulateOptions) => {
      const { simulateModel } = await import('./commands/simulate.js');
      finish(await simulateModel(model, options, terminal));
    });

  add('explore', 'search card configurations within a budget: the Pareto front of speed, energy and size')
    .requiredOption('-m, --model <model>', MODEL)
    .option(
      '-b, --budget <device>',
      'card to start from, whose board and budget hold, or file of one',
      'u280',
    )
    .option(
      '-s, --scheme <name>',
      'scheme to quantise to (default: what the model is in or stored as, else W4A8)',
    )
    .option('--prefill <tokens>', 'tokens of the prompt, and of the cache in decode', integer(1), 128)
    .option('--points <n>', 'designs to compile and time', integer(1, MOST_POINTS), 64)
    .option('--limit <share>', 'share of each resource that may be used', number(0, 1, true), 0.8)
    .option(
      '--objectives <names>',
      `what to search for: of ${OBJECTIVE_NAMES.join(', ')} (default: the first three)`,
      namesOf(OBJECTIVE_NAMES),
    )
    .option('--seed <n>', 'seed of the search', integer(0), 1)
    .option('--threads <n>', THREADS, integer(1, MOST_THREADS), 2)
    .option('--state <file>', 'keep results here, and go on from what is there')
    .option('--save-device <file>', 'write the design with the fastest decode as a device')
    .option('--svg <file>', 'write a picture of all designs: DSPs and decode speed')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .action(async (options: ExploreOptions) => {
      const { explore } = await import('./commands/explore.js');
      finish(await explore(options, terminal));
    });

  add('run', 'generate text, on the host or on a simulated card')
    .argument('<model>', MODEL_OR_PROGRAM)
    .requiredOption('-p, --prompt <text>', 'text to continue; empty starts from the first token')
    .option('-n, --max-tokens <n>', 'tokens to generate', integer(0), 128)
    .option('-t, --temperature <t>', '0 takes the most likely token', number(0), 0)
    .option('--top-k <k>', 'draw from the k most likely tokens; 0: all', integer(0), 0)
    .option('--top-p <p>', 'draw from the likeliest tokens that sum to p', number(0, 1, true), 1)
    .option('--seed <n>', 'seed of the draws', integer(0), 0)
    .option('--stop <text...>', 'end before this text; may be given several times', collect)
    .option(
      '-s, --scheme <name>',
      'f32, W8A8, W4A8, stored or, on the host, any of `bitloom formats` (default: stored codes, else f32; W4A8 on a card)',
    )
    .option('-d, --device <name>', 'host, a card, or file of a device (default: host)')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--context <tokens>', 'longest sequence to make room for', integer(1))
    .option('--model <path>', 'the model of a program that was written with --no-weights')
    .option(
      '--threads <n>',
      `${THREADS} (default: as many as the model gains from)`,
      integer(1, MOST_THREADS),
    )
    .addOption(kernelsOption())
    .option('--stats', 'say on stderr what it cost: load, prefill, decode, memory')
    .action(async (model: string, options: RunOptions) => {
      const { run } = await import('./commands/run.js');
      finish(await run(model, options, terminal));
    });

  add('eval', 'perplexity of a text')
    .argument('<model>', MODEL_OR_PROGRAM)
    .requiredOption('--text <file>', 'text to score, UTF-8')
    .option('--context <tokens>', 'tokens of a window', integer(3), 256)
    .option('--chunks <n>', 'most windows (default: all)', integer(1))
    .option(
      '-s, --scheme <name>',
      'f32, W8A8, W4A8, stored or, on the host, any of `bitloom formats` (default: stored codes, else f32; W4A8 on a card)',
    )
    .option('-d, --device <name>', 'host, a card, or file of a device (default: host)')
    .option('--tokenizer <path>', 'tokenizer file or folder, where the model has none')
    .option('--model <path>', 'the model of a program that was written with --no-weights')
    .option(
      '--threads <n>',
      `${THREADS} (default: as many as the model gains from)`,
      integer(1, MOST_THREADS),
    )
    .addOption(kernelsOption())
    .option('--stats', 'say on stderr what it cost: load, speed, memory')
    .option('--max-perplexity <x>', 'exit with 1 when the perplexity is higher', number(1))
    .action(async (model: string, options: EvalOptions) => {
      const { evaluate } = await import('./commands/eval.js');
      finish(await evaluate(model, options, terminal));
    });

  add('inspect', 'show what is in a model, program, device, report, trace or checkpoint')
    .argument('<file>', 'file, folder or zoo name')
    .option(
      '--verify',
      'check it whole: checksums, and the rules of models and programs; exit 1 when it fails',
    )
    .option('--disassemble', 'list the instructions of a program')
    .option('--graph', 'list the graph of a model, node by node')
    .option('--entry <name>', 'list only this entry')
    .action(async (file: string, options: InspectOptions) => {
      const { inspect } = await import('./commands/inspect.js');
      finish(await inspect(file, options, terminal));
    });

  add('demo', 'from a small model to text on a simulated card, then LLaMA2-7B beside it')
    .option('-d, --device <name>', 'card, or file of a device', 'u280-bitloom')
    .option('-s, --scheme <name>', 'scheme of the small model', 'W4A8')
    .option('-n, --max-tokens <n>', 'tokens to generate', integer(1), 100)
    .option('--large <name>', 'zoo model to time on the same card', 'llama2-7b')
    .option('--large-scheme <name>', 'scheme of that model', 'FlightLLM')
    .option('-o, --output <file>', 'where to write the HTML report', 'bitloom-report.html')
    .action(async (options: DemoOptions) => {
      const { demo } = await import('./commands/demo.js');
      finish(await demo(options, terminal));
    });

  return root;
}
