/**
 * `npm run --silent bench -- NAME`, with the options of OPTIONS below or of `--help`: ours beside the peer's
 * and beside what the machine can do, in one run. Builds what is stale, installs the peers it needs, checks every result
 * before it is timed, and takes the samples of all sides in turn.
 *
 * stdout is the table, or with `--json` one array of `{ name, ours, unit, peer, peerName, ratio, limit, limitShare, load }`
 * with more fields after these. Everything else goes to stderr. Exit code 2 for a wrong argument, 1 for a wrong result.
 */
import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { page } from './lib/page.mjs';
import { table } from './lib/table.mjs';

/** Benchmarks in the order of `all`, each a file of `cases/`. */
const NAMES = [
  'decode',
  'prefill',
  'gemm',
  'conv',
  'shiftquant',
  'norm',
  'formats',
  'simulate',
  'compile',
  'dram',
  'kernels',
];
const BACKENDS = ['wasm', 'native'];
const MOST_THREADS = Math.min(16, availableParallelism());
/** Every option: how it is parsed, how its value is called, and what it does. */
const OPTIONS = {
  json: { type: 'boolean', default: false, doc: 'print one JSON array on stdout in place of the table' },
  seconds: {
    type: 'string',
    value: 'S',
    doc: 'time to sample each benchmark for, above 0 (default: its own, 20 to 120); building, loading and checking come on top',
  },
  threads: {
    type: 'string',
    value: 'LIST',
    doc: `numbers of threads of our kernels, 1 to ${MOST_THREADS} here, divided by commas (default: 1,2 where there are two processors)`,
  },
  backend: {
    type: 'string',
    value: 'NAME',
    doc: `${BACKENDS.join(' or ')} alone (default: what there is of both)`,
  },
  write: {
    type: 'string',
    value: 'FOLDER',
    doc: 'write a page per benchmark there as well, NAME.md, as soon as it is done',
  },
  help: { type: 'boolean', default: false, doc: 'print this and do nothing' },
};
const spelled = Object.entries(OPTIONS).map(([name, { value, doc }]) => [
  value === undefined ? `--${name}` : `--${name} ${value}`,
  doc,
]);
const USAGE = `usage: npm run --silent bench -- NAME ${spelled.map(([option]) => `[${option}]`).join(' ')}
NAME is one of ${NAMES.join(', ')}, all
${spelled.map(([option, doc]) => `  ${option.padEnd(16)}${doc}`).join('\n')}`;

/** Ends with exit code 2. */
function refuse(message) {
  process.stderr.write(`bench: ${message}\n${USAGE}\n`);
  process.exit(2);
}

function readArguments() {
  let parsed;
  try {
    parsed = parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // The rest of the message is advice about names that begin with a dash, which there are none of.
    return refuse(error.message.split('. ')[0]);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    process.exit(0);
  }
  if (positionals.length !== 1) refuse(`expected one name, got ${positionals.length}`);
  const [name] = positionals;
  if (name !== 'all' && !NAMES.includes(name)) refuse(`there is no benchmark "${name}"`);
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if (seconds !== undefined && !(seconds > 0 && seconds < 86400)) {
    refuse(`--seconds is a positive number, got "${values.seconds}"`);
  }
  const threads = values.threads?.split(',').map(Number) ?? [1, 2].filter((count) => count <= MOST_THREADS);
  if (!threads.every((count) => Number.isInteger(count) && count >= 1 && count <= MOST_THREADS)) {
    refuse(`--threads is a list of integers from 1 to ${MOST_THREADS}, got "${values.threads}"`);
  }
  if (values.backend !== undefined && !BACKENDS.includes(values.backend)) {
    refuse(`--backend is ${BACKENDS.join(' or ')}, got "${values.backend}"`);
  }
  return {
    names: name === 'all' ? NAMES : [name],
    isJson: values.json,
    folder: values.write,
    seconds,
    threads: [...new Set(threads)].sort((a, b) => a - b),
    backend: values.backend,
  };
}

const { names, isJson, folder, ...options } = readArguments();
if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
  refuse(`--write is a folder that exists, got "${folder}"`);
}
// A child, because it ends its process when a build fails; its stdout is not ours.
const setup = fileURLToPath(new URL('../scripts/setup.mjs', import.meta.url));
const built = spawnSync(process.execPath, [setup], { stdio: ['ignore', 2, 2] });
if (built.status !== 0) process.exit(built.status ?? 1);

const { openContext } = await import('./lib/context.mjs');
const { runBenchmark } = await import('./lib/run.mjs');
const machine = () =>
  `load ${loadavg()
    .map((load) => load.toFixed(2))
    .join(' ')}`;
const computer = `${cpus()[0]?.model.trim() ?? 'unknown'} x ${cpus().length}, node ${process.version}`;
process.stderr.write(`bench: ${computer}, ${machine()}\n`);
/** The command that repeats one benchmark as it is done here. */
function commandOf(name) {
  const { seconds, threads, backend } = options;
  const given = Object.entries({ seconds, threads: threads.join(','), backend, write: folder });
  return `npm run --silent bench -- ${name}${given.flatMap(([option, value]) => (value === undefined ? [] : ` --${option} ${value}`)).join('')}`;
}
const rows = [];
const context = await openContext(options).catch((error) => {
  if (error.code !== 'kernel-native-absent') throw error;
  return refuse(error.message);
});
try {
  for (const name of names) {
    const before = machine();
    const made = await runBenchmark(await import(`./cases/${name}.mjs`), context);
    rows.push(...made);
    if (folder === undefined) continue;
    const [date] = new Date().toISOString().split('T');
    const text = page({
      name,
      command: commandOf(name),
      date,
      machine: `${computer}, ${before}, then ${machine()}`,
      rows: made,
    });
    writeFileSync(join(folder, `${name}.md`), text);
  }
} finally {
  await context.close();
}
process.stderr.write(`bench: ${machine()}\n`);
// A full disk or a closed pipe is an error of one line, not a stack.
process.stdout.on('error', (error) => {
  process.stderr.write(`bench: cannot write the result: ${error.message}\n`);
  process.exitCode = 2;
});
process.stdout.write(`${isJson ? JSON.stringify(rows) : table(rows)}\n`);
