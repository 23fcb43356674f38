/**
 * Compiles the C++ of this package to `build/bitloom-kernels.node`. Run by the build, and by npm when the package is
 * installed. The addon is an accelerator and never required: where there is no compiler, or it fails, one line says
 * so and the exit code is 0. Node built-ins only.
 *
 * Each instruction set is a file with flags of its own, so that the rest runs on any CPU; which set is used is decided
 * when the addon is loaded. A stamp of sources, flags and compiler makes a second build do nothing, and lets an addon of
 * the same sources stay where another build fails.
 *
 *   node build-addon.mjs             build when something has changed
 *   node build-addon.mjs --install   the same, but leave a checkout of the repository to its own build
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(fileURLToPath(import.meta.url));
const sources = join(home, 'native');
const output = join(home, 'build');
const addon = join(output, 'bitloom-kernels.node');
const stampFile = join(output, 'stamp');
// Of this process alone: two builds may run at once.
const objects = join(output, `objects-${process.pid}`);

/** Contraction would fuse a multiplication and an addition, and so change bits. */
const FLAGS = [
  '-std=c++17',
  '-O2',
  '-ftree-vectorize',
  '-fPIC',
  '-pthread',
  '-fvisibility=hidden',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-Wall',
  '-Wextra',
];
/** Flags of the files of one instruction set; they apply to x64 alone. */
const ISA_FLAGS = {
  // No faster than WebAssembly either way, and a third less time of the compiler.
  'isa/plain.cc': ['-O1'],
  'isa/avx2.cc': ['-mavx2', '-mfma', '-mf16c', '-mtune=haswell'],
  'isa/avx512vnni.cc': [
    '-mavx512f',
    '-mavx512bw',
    '-mavx512dq',
    '-mavx512vl',
    '-mavx512vnni',
    '-mfma',
    '-mf16c',
    '-mprefer-vector-width=512',
  ],
};
const LINK_FLAGS =
  process.platform === 'darwin'
    ? ['-bundle', '-undefined', 'dynamic_lookup']
    : // Code of the addon may run at the exit of a thread, after its last environment is gone.
      ['-shared', '-Wl,-z,nodelete'];

/** Ends this process with a line that says why there is no addon, or none of this build. */
function without(reason) {
  rmSync(objects, { recursive: true, force: true });
  if (isOfSources()) {
    process.stdout.write(`kernels-native: not built (${reason}); the addon of an earlier build is kept\n`);
    process.exit(0);
  }
  process.stdout.write(`kernels-native: not built (${reason}); WebAssembly is used instead\n`);
  rmSync(addon, { force: true });
  rmSync(stampFile, { force: true });
  process.exit(0);
}

/** What the sources and flags are at present, on this platform. */
function hashSources() {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([FLAGS, ISA_FLAGS, LINK_FLAGS, process.platform, process.arch]));
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(sources, file)));
  return hash.digest('hex');
}

/** Whether there is an addon of the present sources and flags, by whatever compiler. */
function isOfSources() {
  return (
    existsSync(addon) &&
    existsSync(stampFile) &&
    readFileSync(stampFile, 'utf8').startsWith(`${sourceStamp}\n`)
  );
}

/** The first compiler that runs, with its version. Another one than was asked for is never taken in silence. */
function findCompiler() {
  const asked = process.env.CXX;
  let failure;
  for (const program of [asked, 'g++', 'clang++']) {
    if (program === undefined || program === '') continue;
    const { status, stdout, stderr, error } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    if (status === 0) {
      if (failure !== undefined) warn(`CXX=${asked} does not run (${failure}); ${program} is used instead`);
      return { program, version: stdout };
    }
    if (program === asked) failure = error?.message ?? firstError(stderr || `exit ${status}`);
  }
  if (failure !== undefined) warn(`CXX=${asked} does not run (${failure})`);
  return undefined;
}

function warn(message) {
  process.stderr.write(`kernels-native: warning: ${message}\n`);
}

/** Files below the sources, by relative name, in a fixed order. */
function listFiles(folder = sources) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? listFiles(path) : [relative(sources, path).replaceAll('\\', '/')];
    });
}

/** Runs the compiler; resolves to what it said when it failed, else to undefined. */
function run(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.on('data', (part) => {
      said += part;
    });
    child.stderr.on('data', (part) => {
      said += part;
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? undefined : said || `exit ${code}`));
  });
}

/** The line of a compiler's complaint that names the error. */
function firstError(said) {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /error/i.test(line)) ?? lines[0] ?? 'no message').trim();
}

if (process.argv.includes('--install') && existsSync(join(home, '..', '..', 'turbo.json'))) process.exit(0);
const files = listFiles();
const sourceStamp = hashSources();
if (process.platform === 'win32') without('Windows is not supported');
const compiler = findCompiler();
if (compiler === undefined) without('no C++ compiler found: install g++ or clang++, or set CXX');

let headers;
try {
  headers = join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include');
} catch {
  without('the package node-api-headers is not installed');
}

// Two lines: the sources, and the compiler.
const stamp = `${sourceStamp}\n${createHash('sha256').update(JSON.stringify(compiler)).digest('hex')}`;
if (isOfSources() && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

mkdirSync(objects, { recursive: true });
const units = files
  .filter((file) => file.endsWith('.cc'))
  .map((file) => ({
    object: join(objects, `${file.replaceAll('/', '-')}.o`),
    args: [
      ...FLAGS,
      ...((process.arch === 'x64' && ISA_FLAGS[file]) || []),
      `-I${headers}`,
      '-c',
      join(sources, file),
    ],
  }))
  // The instruction sets take longest: first.
  .sort((a, b) => Number(b.object.includes('isa-')) - Number(a.object.includes('isa-')));
const failures = await Promise.all(
  units.map(({ object, args }) => run(compiler.program, [...args, '-o', object])),
);
const failed = failures.find((failure) => failure !== undefined);
if (failed !== undefined) without(`${compiler.program} failed: ${firstError(failed)}`);

// Renamed at the end: a process that has the old file loaded keeps it, and no one loads half a file.
const fresh = `${addon}.${process.pid}`;
const link = ['-pthread', ...LINK_FLAGS, ...units.map(({ object }) => object), '-o', fresh];
const linked = await run(compiler.program, link);
rmSync(objects, { recursive: true, force: true });
if (linked !== undefined) without(`linking failed: ${firstError(linked)}`);
if (!existsSync(fresh)) without(`${compiler.program} ended well but wrote no file`);
renameSync(fresh, addon);
writeFileSync(stampFile, stamp);
