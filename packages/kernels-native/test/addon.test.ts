/**
 * The addon by itself: it loads, refuses what is wrong with a status in place of a crash, runs jobs on its threads,
 * and is silent where it is absent. What the kernels compute is checked by the conformance suite of
 * `@bitloom/kernels`, on every instruction set.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  checkNative,
  loadNative,
  NATIVE_ARGUMENTS,
  NATIVE_BLOCK_WORDS,
  NATIVE_BYTES_WORD,
  NATIVE_MAX_SHARES,
  type NativeAddon,
  type NativeIsa,
  nativeStatus,
} from '../src/index.js';

const BYTES = 1 << 20;
/** Where operands lie: after the argument block. */
const DATA = 1 << 16;

/** A memory, its argument block and an open handle. */
function open(addon: NativeAddon, threads: number, isa?: NativeIsa) {
  const memory = new Uint8Array(new SharedArrayBuffer(BYTES));
  const args = new Float64Array(memory.buffer, 64, NATIVE_BLOCK_WORDS);
  args[NATIVE_BYTES_WORD] = BYTES;
  const handle = addon.open({ memory, args, threads, isa });
  const call = (name: string, values: readonly number[]): number => {
    args.set(values);
    return handle.call(addon.names.indexOf(name));
  };
  return { memory, args, handle, call, floats: new Float32Array(memory.buffer) };
}

const addon = loadNative();

test('absent or present, it says so and nothing else', () => {
  const status = nativeStatus();
  expect(status.available).toBe(addon !== undefined);
  if (!status.available) expect(status.reason).not.toBe('');
});

test.each([
  ['off by 0', '0', 'off', 'BITLOOM_NATIVE=0 turns it off'],
  ['off by false', 'false', 'off', 'BITLOOM_NATIVE=false turns it off'],
  ['off by OFF', 'OFF', 'off', 'BITLOOM_NATIVE=OFF turns it off'],
  ['off by no', 'no', 'off', 'BITLOOM_NATIVE=no turns it off'],
  ['a path to nothing', '/nowhere/x.node', 'not-loaded', 'BITLOOM_NATIVE names no file: /nowhere/x.node'],
  [
    'a file that is no addon',
    fileURLToPath(import.meta.url),
    'not-loaded',
    expect.stringMatching(/BITLOOM_NATIVE=.*addon\.test/),
  ],
])('%s: absent, of that kind', (_, wish, absence, reason) => {
  const before = process.env.BITLOOM_NATIVE;
  process.env.BITLOOM_NATIVE = wish;
  try {
    expect(loadNative()).toBeUndefined();
    expect(nativeStatus()).toEqual({ available: false, absence, reason });
  } finally {
    if (before === undefined) delete process.env.BITLOOM_NATIVE;
    else process.env.BITLOOM_NATIVE = before;
  }
});

test('in a checkout the install script leaves the build to the repository', () => {
  const script = fileURLToPath(new URL('../build-addon.mjs', import.meta.url));
  const installed = spawnSync(process.execPath, [script, '--install'], { encoding: 'utf8' });
  expect([installed.status, installed.stdout, installed.stderr]).toEqual([0, '', '']);
});

/** Shell scripts by name. */
type Programs = Readonly<Record<string, string>>;

/**
 * The build script in a folder of its own, with no programs in PATH but these shell scripts. `earlier` are the programs of
 * a build before it.
 */
function buildAlone(compiler: string, programs: Programs = {}, earlier?: Programs) {
  const home = mkdtempSync(join(tmpdir(), 'bitloom-native-'));
  try {
    for (const name of ['build-addon.mjs', 'native']) {
      cpSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), join(home, name), { recursive: true });
    }
    const headers = dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json'));
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(headers, join(home, 'node_modules', 'node-api-headers'), 'dir');
    const install = (scripts: Programs) => {
      rmSync(join(home, 'programs'), { recursive: true, force: true });
      mkdirSync(join(home, 'programs'));
      for (const [name, script] of Object.entries(scripts)) {
        writeFileSync(join(home, 'programs', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      }
      return spawnSync(process.execPath, ['build-addon.mjs', '--install'], {
        cwd: home,
        encoding: 'utf8',
        env: { PATH: join(home, 'programs'), CXX: compiler },
      });
    };
    if (earlier !== undefined) install(earlier);
    const { status, stdout, stderr } = install(programs);
    const built = existsSync(join(home, 'build')) ? readdirSync(join(home, 'build')) : [];
    return { status, stdout, stderr, built };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

describe.skipIf(process.platform === 'win32')('an install', () => {
  test.each([
    ['no compiler', '', 'no C++ compiler found: install g++ or clang++, or set CXX'],
    // Node tells its version, as a compiler does, and fails with the flags of one.
    ['a compiler that fails', process.execPath, `${process.execPath} failed: `],
  ])('with %s ends well and says why in one line', (_what, compiler, reason) => {
    const { status, stdout, stderr, built } = buildAlone(compiler);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.startsWith(`kernels-native: not built (${reason}`)).toBe(true);
    expect(stdout.indexOf('\n')).toBe(stdout.length - 1);
    expect(built).toEqual([]);
  });

  test('with a compiler that ends well and writes nothing says so', () => {
    const { status, stdout, stderr, built } = buildAlone('silent', { silent: 'exit 0' });
    expect([status, stderr, built]).toEqual([0, '', []]);
    expect(stdout).toMatch(/^kernels-native: not built \(silent ended well but wrote no file\); .+\n$/);
  });

  // The file that a compiler writes is the last argument.
  const WRITES = 'for last; do :; done; [ "$1" = --version ] || echo made > "$last"';
  test.each([
    ['is gone', {}, 'no C++ compiler found: install g++ or clang++, or set CXX'],
    ['is another and fails', { 'g++': '[ "$1" = --version ] && echo 2 || exit 1' }, 'g++ failed: exit 1'],
  ])('keeps the addon of the same sources where the compiler %s', (_what, programs, reason) => {
    const { status, stdout, built } = buildAlone('', programs, { 'g++': WRITES });
    expect(status).toBe(0);
    expect(stdout).toBe(`kernels-native: not built (${reason}); the addon of an earlier build is kept\n`);
    expect(built).toEqual(['bitloom-kernels.node', 'stamp']);
  });

  // A compiler that tells its version and compiles nothing: which one is taken is what is looked at.
  const FAKE = '[ "$1" = --version ] && echo fake 1.0 || { echo "error: fake" >&2; exit 1; }';
  test.each([
    ['is not there', 'no-such-cxx', {}, 'no-such-cxx ENOENT'],
    [
      'does not tell its version',
      'bad',
      { bad: 'echo "error: no licence" >&2; exit 3' },
      'error: no licence',
    ],
  ])('with a CXX that %s warns and goes on with another compiler', (_what, compiler, programs, reason) => {
    const found = buildAlone(compiler, { ...programs, 'clang++': FAKE });
    expect(found.status).toBe(0);
    expect(found.stderr).toMatch(/^kernels-native: warning: CXX=.+\n$/);
    expect(found.stderr).toContain(`CXX=${compiler} does not run (`);
    expect(found.stderr).toContain(`${reason}); clang++ is used instead\n`);
    expect(found.stdout).toContain('not built (clang++ failed: error: fake)');
    const none = buildAlone(compiler, programs);
    expect(none.stderr).toMatch(/^kernels-native: warning: CXX=.+ does not run .+\n$/);
    expect(none.stdout).toContain('not built (no C++ compiler found');
  });
});

describe.skipIf(addon === undefined)('the addon', () => {
  const native = addon as NativeAddon;

  test('names kernels and the sets this machine runs, the plain one last', () => {
    expect(native.names).toContain('gemmGroups');
    expect(new Set(native.names).size).toBe(native.names.length);
    expect(native.isas.at(-1)).toBe('plain');
  });

  test.each(native?.isas ?? [])('%s computes', (isa) => {
    const { handle, call, floats } = open(native, 1, isa);
    expect(handle.isa).toBe(isa);
    for (let i = 0; i < 21; i += 1) floats[DATA / 4 + i] = i - 10;
    expect(call('add', [1, 3, 7, DATA, 0, 28, DATA, 0, 28, DATA + 4096, 0, 28])).toBe(0);
    expect([...floats.subarray(DATA / 4 + 1024, DATA / 4 + 1024 + 22)]).toEqual([
      ...Array.from({ length: 21 }, (_, i) => 2 * (i - 10)),
      0,
    ]);
    handle.close();
  });

  const NORM = [1, 4, 64, DATA, 0, 256, DATA + 4096, DATA + 8192, 0, 256, 1e-5];
  test.each([
    ['a pointer past the end', 3, BYTES - 16, 3],
    ['a pointer before the start', 3, -4, 3],
    ['a stride that leaves the memory', 5, BYTES, 3],
    ['a stride that leaves the memory downwards', 5, -DATA, 3],
    ['a size that leaves the memory', 1, 2 ** 31, 3],
    ['a size past any memory', 2, 2 ** 45, 2],
    ['a number that is not whole', 1, 1.5, 2],
    ['a negative size', 1, -1, 2],
    ['NaN', 3, Number.NaN, 2],
    ['infinity', 5, Number.POSITIVE_INFINITY, 2],
  ])('%s is a status, and nothing is written', (_what, at, value, expected) => {
    for (const isa of native.isas) {
      const { handle, call, memory } = open(native, 1, isa);
      const values = [...NORM];
      values[at] = value;
      memory.fill(7, DATA);
      expect(call('rmsNorm', values)).toBe(expected);
      expect(memory.subarray(DATA).every((byte) => byte === 7)).toBe(true);
      handle.close();
    }
  });

  test('wrong arguments of every kernel are statuses', () => {
    for (const isa of native.isas) {
      const { handle, args, memory } = open(native, 1, isa);
      for (const wrong of [-1, 0.5, Number.NaN, 2 ** 45, -(2 ** 45), BYTES - 3]) {
        for (let kernel = 0; kernel < native.names.length; kernel += 1) {
          for (let at = 0; at < 21; at += 1) {
            args.fill(0, 0, NATIVE_BYTES_WORD);
            args.fill(8, 0, 4);
            args[at] = wrong;
            const status = handle.call(kernel);
            expect([0, 2, 3], `${native.names[kernel]} ${at} ${wrong}`).toContain(status);
          }
        }
      }
      expect(memory.length).toBe(BYTES);
      handle.close();
    }
  });

  test('ids of a look-up are checked, whatever their stride', () => {
    const { handle, call, memory } = open(native, 1);
    for (const id of [1 << 30, -1, -(2 ** 31)]) {
      new Int32Array(memory.buffer)[DATA / 4] = id;
      for (const stride of [BYTES / 2, 2 ** 45, -(2 ** 45)]) {
        const table = id === -1 && stride < 0 ? 0 : 64;
        expect(call('embedF32', [1, 8, DATA, table, stride, DATA + 4096, 32])).toBe(3);
        expect(call('embedGroups', [4, 8, 1, 8, DATA, table, stride, DATA, 0, DATA + 4096, 32])).toBe(3);
        expect(call('embedGroups', [4, 8, 1, 8, DATA, DATA, 0, table, stride, DATA + 4096, 32])).toBe(3);
      }
    }
    handle.close();
  });

  test('valid columns of a softmax are all or none past any memory', () => {
    const { handle, call, floats } = open(native, 1);
    const at = DATA / 4;
    for (const [first, step, rows] of [
      [2 ** 45, 2 ** 45, [1, 1, 1]],
      [-(2 ** 45), -(2 ** 45), [0, 0, 0]],
      [2 ** 45, -(2 ** 45), [1, 0, 0]],
      [-1, 2 ** 45, [0, 1, 1]],
    ] as const) {
      floats.fill(3, at, at + 6);
      expect(call('softmaxF32', [1, 3, 2, DATA, 0, 8, first, step, 1, DATA, 0, 8])).toBe(0);
      expect([...floats.subarray(at, at + 6)]).toEqual(rows.flatMap((row) => [row / 2, row / 2]));
    }
    handle.close();
  });

  const MANY = 2 ** 33;
  const CONVOLUTION = {
    images: 1,
    srcImage: 0,
    dstImage: 0,
    srcHeight: 1,
    srcWidth: 1,
    srcPixel: 0,
    rows: 1,
    cols: 1,
    dstRow: 0,
    dstCol: 0,
    stepY: 1,
    stepX: 1,
    tapsY: 1,
    tapsX: 1,
    offsetY: 0,
    offsetX: 0,
    tapStepY: 1,
    tapStepX: 1,
    depth: 1,
    width: 1,
    groups: 1,
  };
  const convolution = (changes: Partial<typeof CONVOLUTION>): number[] => [
    ...Object.values({ ...CONVOLUTION, ...changes }),
    ...[0, 0, 0, 0, 0],
    ...[DATA, DATA, DATA + 4096, 0],
  ];
  const poolings = (
    changes: Partial<Record<'images' | 'srcHeight' | 'rows' | 'cols' | 'lanes', number>>,
  ): number[] => {
    const { images, srcHeight, rows, cols, lanes } = {
      ...{ images: 1, srcHeight: 1, rows: 1, cols: 1, lanes: 1 },
      ...changes,
    };
    return [
      images,
      0,
      0,
      srcHeight,
      1,
      0,
      rows,
      cols,
      0,
      1,
      1,
      1,
      1,
      0,
      0,
      1,
      1,
      0,
      lanes,
      DATA,
      DATA,
      DATA + 4096,
    ];
  };
  test.each<[string, string, number[], number]>([
    ['rows without columns', 'rmsNorm', [MANY, MANY, 0, DATA, 0, 0, DATA, DATA, 0, 0, 1e-5], 2],
    ['rows without columns', 'layerNorm', [MANY, MANY, 0, DATA, 0, 0, DATA, DATA, DATA, 0, 0, 1e-5], 2],
    ['rows without columns', 'l1Norm', [MANY, MANY, 0, DATA, 0, 0, DATA, DATA, DATA, 0, 0, 1e-5], 2],
    ['rows without columns', 'l1NormInt8', [MANY, 0, DATA, 0, 0, 0, 16, DATA, 0], 2],
    ['rows of one place', 'l1NormInt8', [2 ** 15, 64, DATA, 0, 0, 0, 16, DATA, 0], 2],
    ['columns past the sums', 'l1NormInt8', [1, 65537, DATA, 0, 0, 0, 16, DATA, 0], 2],
    ['weights that leave the memory', 'l1NormInt8', [1, 64, DATA, 0, BYTES - 127, 0, 16, DATA, 0], 3],
    ['gains that are no number', 'l1NormInt8', [1, 64, DATA, 0, 0, 0, Number.NaN, DATA + 4096, 0], 0],
    ['batches without rows', 'relu', [MANY, 0, 8, DATA, 0, 0, DATA, 0, 0], 2],
    ['rows of one place', 'copy', [MANY, 1, 8, DATA, 0, 0, DATA, 0, 0], 2],
    ['rows of one place', 'add', [1, MANY, 8, DATA, 0, 0, DATA, 0, 0, DATA, 0, 0], 2],
    ['long rows of one place', 'add', [1, 2 ** 10, 2 ** 12, DATA, 0, 0, DATA, 0, 0, DATA, 0, 0], 2],
    ['rows of one place', 'rope', [1, MANY, 8, DATA, 0, 0, DATA, 0, DATA, 0, 0, 0], 2],
    ['rows without columns', 'quantizeRows', [1, MANY, 0, DATA, 0, 0, DATA, 0, 0, 0, DATA, 0, 0], 2],
    ['rows without columns', 'softmaxF32', [MANY, MANY, 0, DATA, 0, 0, 0, 0, 1, DATA, 0, 0], 2],
    ['results of one place', 'gemmInt8', [2 ** 19, 2 ** 17, 8, DATA, 0, 1, DATA, 0, 1, DATA, 0, 0], 2],
    ['results of one place', 'gemmF32', [2 ** 17, 2 ** 17, 1, DATA, 0, DATA, 0, DATA, 0], 2],
    ['results of one place', 'matmulF32', [2 ** 17, 2 ** 17, 1, DATA, 0, 4, DATA, 0, 4, DATA, 0, 0], 2],
    ['results past the end', 'matmulF32', [2, 8, 1, DATA, 4, 4, DATA, 4, 4, BYTES - 32, 32, 0], 3],
    ['results before the start', 'matmulF32', [2, 8, 1, DATA, 4, 4, DATA, 4, 4, 0, -32, 0], 3],
    [
      'results of one place',
      'gemmGroups',
      [4, 8, 2 ** 19, 2 ** 10, 8, DATA, 0, DATA, 0, DATA, DATA, 0, 3],
      2,
    ],
    ['queries of one place', 'attentionScoresF32', [MANY, 1, 1, 4, DATA, 0, 0, DATA, 0, 0, 1, DATA, 0, 0], 2],
    ['taps without channels', 'convolutionF32', convolution({ depth: 0, tapsY: MANY, tapsX: 2 ** 18 }), 2],
    ['taps without channels', 'convolution', convolution({ depth: 0, tapsY: MANY, tapsX: 2 ** 18 }), 2],
    ['channels without taps', 'convolutionF32', convolution({ depth: MANY, tapsX: 0 }), 2],
    ['images without rows', 'convolutionInt8', convolution({ images: MANY, rows: 0, srcHeight: 0 }), 2],
    ['results of one place', 'convolutionF32', convolution({ rows: 2 ** 19, width: 2 ** 15 }), 2],
    [
      'steps past any image',
      'convolutionF32',
      convolution({ rows: 2 ** 16, stepY: MANY, tapStepY: MANY }),
      2,
    ],
    ['some taps without channels', 'convolutionF32', convolution({ depth: 0, tapsY: 2 ** 18 }), 0],
    ['images without rows', 'poolingGradientF32', poolings({ images: MANY, srcHeight: 0, rows: 0 }), 2],
    ['pixels of one place', 'poolingF32', poolings({ rows: 2 ** 15, cols: 2 ** 15 }), 2],
  ])('%s end: %s', (_what, name, values, expected) => {
    for (const isa of native.isas) {
      const { handle, call } = open(native, 1, isa);
      expect(call(name, values)).toBe(expected);
      handle.close();
    }
  });

  test('unknown kernels and too many shares are statuses', () => {
    const { handle } = open(native, 1);
    expect(handle.call(0.5)).toBe(1);
    expect(handle.run(0, 0.5)).toBe(2);
    expect(handle.run(0, Number.NaN)).toBe(2);
    expect(handle.call(native.names.length)).toBe(1);
    expect(handle.call(-1)).toBe(1);
    expect(handle.run(0, NATIVE_MAX_SHARES + 1)).toBe(2);
    expect(handle.run(0, 0)).toBe(0);
    handle.close();
  });

  test('wrong options throw', () => {
    const memory = new Uint8Array(new SharedArrayBuffer(BYTES));
    const args = new Float64Array(memory.buffer, 64, NATIVE_BLOCK_WORDS);
    const wrong = [
      { memory, args: new Float64Array(NATIVE_BLOCK_WORDS), threads: 1 },
      { memory, args: args.subarray(1), threads: 1 },
      { memory, args, threads: 0 },
      { memory, args, threads: 65 },
      { memory, args, threads: 1.5 },
      { memory, args, threads: 1, isa: 'neon' as NativeIsa },
    ];
    for (const options of wrong) expect(() => native.open(options)).toThrow(TypeError);
  });

  test('closing twice is closing once, and later calls answer', () => {
    const { handle, call } = open(native, 2);
    handle.close();
    handle.close();
    expect(call('add', [0, 0, 0])).toBe(5);
    expect(handle.run(0, 1)).toBe(5);
  });

  test.each([1, 2, 3])('10000 jobs on %i threads', (threads) => {
    const { handle, args, floats } = open(native, threads);
    expect(handle.threads).toBe(threads);
    const add = native.names.indexOf('add');
    const shares = 8;
    for (let share = 0; share < shares; share += 1) {
      // Each share adds 1 to its own 16 numbers.
      const at = DATA + share * 64;
      args.set([1, 1, 16, at, 0, 0, DATA + 4096, 0, 0, at, 0, 0], share * NATIVE_ARGUMENTS);
    }
    floats.fill(1, DATA / 4 + 1024, DATA / 4 + 1040);
    for (let job = 0; job < 10_000; job += 1) {
      if (handle.run(add, shares) !== 0) throw new Error('a job failed');
    }
    expect(floats.subarray(DATA / 4, DATA / 4 + shares * 16).every((value) => value === 10_000)).toBe(true);
    handle.close();
  });

  test('a share that fails is the answer of the job, the others are done', () => {
    const { handle, args, floats } = open(native, 2);
    for (let share = 0; share < 8; share += 1) {
      const at = share === 5 ? BYTES : DATA + share * 64;
      args.set([1, 1, 16, DATA + 4096, 0, 0, DATA + 4096, 0, 0, at, 0, 0], share * NATIVE_ARGUMENTS);
    }
    floats.fill(1, DATA / 4 + 1024, DATA / 4 + 1040);
    expect(handle.run(native.names.indexOf('add'), 8)).toBe(3);
    for (const share of [0, 4, 6, 7]) expect(floats[DATA / 4 + share * 16]).toBe(2);
    handle.close();
  });

  test('a worker may end with threads still open', async () => {
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      const addon = require(workerData.path);
      const memory = new Uint8Array(new SharedArrayBuffer(1 << 20));
      const args = new Float64Array(memory.buffer, 64, workerData.words);
      const handle = addon.open({ memory, args, threads: 3 });
      parentPort.postMessage(handle.threads);
      if (workerData.hang) setInterval(() => handle, 1000);
    `;
    const path = fileURLToPath(new URL('../build/bitloom-kernels.node', import.meta.url));
    for (const hang of [false, true]) {
      const worker = new Worker(source, {
        eval: true,
        workerData: { path, words: NATIVE_BLOCK_WORDS, hang },
      });
      expect(await new Promise((resolve) => worker.once('message', resolve))).toBe(3);
      if (hang) await worker.terminate();
      else expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(0);
    }
  });

  test('an open handle does not keep the process alive', () => {
    const path = fileURLToPath(new URL('../build/bitloom-kernels.node', import.meta.url));
    const source = `
      const addon = require(${JSON.stringify(path)});
      const memory = new Uint8Array(new SharedArrayBuffer(1 << 20));
      const args = new Float64Array(memory.buffer, 64, ${NATIVE_BLOCK_WORDS});
      globalThis.handle = addon.open({ memory, args, threads: 4 });
      if (process.argv[1] === 'exit') process.exit(3);
    `;
    const run = (...rest: string[]) =>
      spawnSync(process.execPath, ['-e', source, ...rest], { encoding: 'utf8', timeout: 20_000 });
    expect(run().status).toBe(0);
    expect(run('exit').status).toBe(3);
  });

  test('limits are positive, and refuse what they do not know', () => {
    for (const kind of ['int4', 'int8', 'int16', 'float32'] as const) {
      expect(native.limits.peak(kind, 1)).toBeGreaterThan(0);
    }
    for (const threads of [1, 2]) expect(native.limits.read(1 << 20, threads, 1)).toBeGreaterThan(0);
    expect(() => native.limits.read(0, 1, 1)).toThrow(TypeError);
    expect(() => native.limits.read(1 << 20, 1.5, 1)).toThrow(TypeError);
    for (const milliseconds of [Number.NaN, Number.POSITIVE_INFINITY, -1, 60001]) {
      expect(() => native.limits.read(1 << 20, 1, milliseconds)).toThrow(/milliseconds/);
      expect(() => native.limits.peak('int8', milliseconds)).toThrow(/milliseconds/);
    }
  });
});

test('statuses are errors with codes', () => {
  expect(() => checkNative(0, 'add')).not.toThrow();
  for (const [status, code] of [
    [1, 'internal'],
    [2, 'native-argument'],
    [3, 'native-outside'],
    [4, 'native-memory'],
    [5, 'native-closed'],
  ] as const) {
    expect(() => checkNative(status, 'add')).toThrow(expect.objectContaining({ code, where: 'add' }));
  }
});
