/**
 * The soak: random calls of every kernel with random shapes, each on every backend from the same bytes, results compared
 * byte for byte (float32 products within their tolerance), for hours if asked. It ends with the first difference, and
 * with an error when the memory of the process has grown.
 *
 *   npm run build && node benchmarks/soak.mjs [--calls 200e6] [--minutes 60] [--seed 1] [--threads 2] [--write docs/soak.md]
 *
 * A call of one kernel on one backend counts as one. Prints the seed; a failure prints the state that repeats it.
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Arena, createKernels, KERNEL_NAMES } from '@bitloom/kernels';
import { CASES } from './soak/cases.mjs';
import { OUT_BYTES, Pools } from './soak/pools.mjs';
import { Random } from './soak/random.mjs';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '200e6' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    write: { type: 'string' },
  },
});
const [calls, minutes, seed, threads] = [values.calls, values.minutes, values.seed, values.threads].map(
  Number,
);

/** Growth of the resident memory after the warm-up that counts as a leak. */
const GROWTH_BYTES = 24 * 2 ** 20;
/** The reference is slow: it takes part in one case of so many. */
const REFERENCE_EVERY = 8;

const missing = KERNEL_NAMES.filter((name) => !Object.hasOwn(CASES, name));
if (missing.length > 0) {
  console.error(`the soak has no case for ${missing.join(', ')}`);
  process.exit(1);
}

const arena = new Arena({ initialBytes: 32 * 2 ** 20 });
const backends = [
  ['wasm', { backend: 'wasm' }],
  ['wasm without relaxed SIMD', { backend: 'wasm', features: { relaxedSimd: false } }],
  ...(threads > 1 ? [[`wasm, ${threads} threads`, { backend: 'wasm', threads }]] : []),
  ...nativeBackends(),
].map(([label, options]) => ({ label, kernels: createKernels({ ...options, arena }), count: 0 }));
const reference = { label: 'reference', kernels: createKernels({ backend: 'reference', arena }), count: 0 };
for (const { label, kernels } of backends) {
  kernels.load();
  if (kernels.fallbacks.length > 0) throw new Error(`${label} fell back for ${kernels.fallbacks.join(', ')}`);
}

/** The native backend, with one thread and with several, where it is there. */
function nativeBackends() {
  try {
    createKernels({ backend: 'native' }).close();
  } catch (error) {
    if (error.code === 'kernel-native-absent') return [];
    throw error;
  }
  return [
    ['native', { backend: 'native' }],
    ...(threads > 1 ? [[`native, ${threads} threads`, { backend: 'native', threads }]] : []),
  ];
}

const random = new Random(seed);
const pools = new Pools(arena, random);
const initial = new Uint8Array(OUT_BYTES);
const floats = new Float32Array(initial.buffer);
for (let i = 0; i < floats.length; i += 1) floats[i] = (random.bits() / 2 ** 31 - 1) * 2;
const out = arena.u8.subarray(pools.out, pools.out + OUT_BYTES);
const perKernel = new Map(KERNEL_NAMES.map((name) => [name, 0]));

function run({ kernels }, name, args, bytes) {
  out.set(initial.subarray(0, bytes + 64));
  kernels[name](...args);
}

function same(expected, got, close) {
  if (Buffer.compare(expected, got) === 0) return true;
  const [a, b] = [expected, got].map(
    (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  );
  for (let i = 0; i + 4 <= expected.length; i += 4) {
    if (a.getUint32(i, true) === b.getUint32(i, true)) continue;
    const [x, y] = [a.getFloat32(i, true), b.getFloat32(i, true)];
    if (Number.isNaN(x) && Number.isNaN(y)) continue;
    if (close !== undefined && Math.abs(x - y) <= close) continue;
    return false;
  }
  return true;
}

/** One case on every backend. Bytes behind the results are compared too. */
function step(index) {
  const state = random.state;
  const name = KERNEL_NAMES[random.bits() % KERNEL_NAMES.length];
  const { args, bytes, close } = CASES[name](pools, random);
  if (bytes + 64 > OUT_BYTES) throw new Error(`${name} writes ${bytes} bytes`);
  const taking = index % REFERENCE_EVERY === 0 ? [reference, ...backends] : backends;
  let expected;
  // Float32 products may differ between backends, but one backend gives the same bits on any number of threads.
  const alone = new Map();
  for (const backend of taking) {
    run(backend, name, args, bytes);
    backend.count += 1;
    const got = Buffer.from(out.subarray(0, bytes + 64));
    const own = backend.label.replace(/, \d+ threads$/, '');
    const isSame = alone.has(own)
      ? same(alone.get(own), got)
      : expected === undefined || same(expected, got, close);
    expected ??= got;
    if (!alone.has(own)) alone.set(own, got);
    if (!isSame) {
      console.error(`MISMATCH: ${name}(${args.join(', ')}) on ${backend.label}`);
      console.error(`seed ${seed}, case ${index}, state ${state}`);
      process.exit(1);
    }
  }
  perKernel.set(name, perKernel.get(name) + taking.length);
  return taking.length;
}

const start = Date.now();
const until = start + minutes * 60_000;
const tty = process.stderr.isTTY;
let done = 0;
let index = 0;
let warm = 0;
let peak = 0;
const used = arena.used;
console.error(
  `soak: seed ${seed}, ${calls} calls or ${minutes} minutes, ${backends.map(({ label }) => label).join('; ')}`,
);
for (let nextLook = start + 5000; done < calls; index += 1) {
  done += step(index);
  if (index % 256 !== 0) continue;
  const now = Date.now();
  if (now >= until) break;
  if (now < nextLook) continue;
  nextLook = now + (tty ? 1000 : 60_000);
  // The pools of workers and the collector of garbage need turns of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 1));
  const { rss } = process.memoryUsage();
  if (warm === 0 && now - start > Math.min(60_000, minutes * 6000)) warm = rss;
  peak = Math.max(peak, rss);
  const share = Math.max(done / calls, (now - start) / (until - start));
  const line = `soak: ${(100 * share).toFixed(1)} %, ${done} calls, ${(rss / 2 ** 20).toFixed(0)} MiB`;
  process.stderr.write(tty ? `\r${line}` : `${line}\n`);
}
if (tty) process.stderr.write('\n');
globalThis.gc?.();
const { rss } = process.memoryUsage();
peak = Math.max(peak, rss);
const growth = warm === 0 ? 0 : rss - warm;
const seconds = (Date.now() - start) / 1000;
const grown = growth > GROWTH_BYTES || arena.used !== used;
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const report = `# Soak of the kernels

\`npm run build && node benchmarks/soak.mjs --calls ${values.calls} --minutes ${values.minutes} --seed ${seed} --threads ${threads} --write ${values.write ?? 'docs/soak.md'}\`, ${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model} x ${cpus().length}, node ${process.version}, load ${loadavg()
  .map((x) => x.toFixed(2))
  .join(' ')}.

Random calls of every kernel with random shapes, on every backend from the same bytes. Results are equal byte for byte, bytes behind them included; float32 products and convolutions are within their tolerance between backends, and equal on any number of threads.

- ${done.toLocaleString('en')} calls in ${(seconds / 60).toFixed(1)} minutes, ${index.toLocaleString('en')} cases, no mismatch.
- Memory of the process: ${mib(warm)} after the warm-up, ${mib(rss)} at the end (${growth >= 0 ? '+' : ''}${mib(growth)}), ${mib(peak)} at most; memory of the kernels: ${arena.used === used ? 'unchanged' : `grown by ${arena.used - used} bytes`}.

| backend | calls |
| --- | --- |
${[reference, ...backends].map(({ label, count }) => `| ${label} | ${count.toLocaleString('en')} |`).join('\n')}

| kernel | calls |
| --- | --- |
${[...perKernel].map(([name, count]) => `| ${name} | ${count.toLocaleString('en')} |`).join('\n')}
`;
for (const { kernels } of backends) kernels.close();
if (values.write !== undefined && !grown) writeFileSync(values.write, report);
console.log(report);
if (grown) {
  console.error(`the memory has grown: process ${mib(growth)}, arena ${arena.used - used} bytes`);
  process.exit(1);
}
