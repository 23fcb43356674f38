/**
 * Kernels in a real browser, where there is one: on a page that is cross-origin isolated, with worker threads, and on a
 * plain one, with one thread and memory that is not shared. The bits are those of this process.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { packCanonical, packRows16, quantizeGroups } from '@bitloom/formats';
import { createKernels, FLAG_FINISH } from '@bitloom/kernels';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleForBrowser } from './support/bundle.js';

const CHROMIUM = process.env.BITLOOM_CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  console.warn(`no browser at ${CHROMIUM}: kernels are not tried in one (set BITLOOM_CHROMIUM)`);

interface Library {
  readonly createKernels: typeof createKernels;
  readonly FLAG_FINISH: number;
}

interface Outcome {
  readonly threads: number;
  readonly fallbacks: readonly string[];
  readonly bytes: number[];
}

const [N, K, M, GROUP] = [640, 256, 5, 32];
const packed = packRows16(
  packCanonical(
    quantizeGroups(
      Float32Array.from({ length: N * K }, (_, i) => Math.fround(Math.sin(i * i))),
      { rows: N, cols: K, bits: 4, groupSize: GROUP },
    ),
  ),
);

/** A product large enough to be divided, a norm and a softmax, on two threads where there are two. */
async function compute(
  library: Library,
  weights: number[],
  shape: number[],
  wanted: number,
): Promise<Outcome> {
  const [rows, columns, tokens, group] = shape;
  const kernels = library.createKernels({ threads: 2 });
  const { arena } = kernels;
  for (let i = 0; kernels.threads < wanted && i < 1000; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const w = arena.alloc(weights.length);
  arena.u8.set(weights, w);
  const x = arena.alloc(tokens * columns * 4);
  for (let i = 0; i < tokens * columns; i += 1) arena.f32[x / 4 + i] = Math.fround(((i * 37) % 101) / 50 - 1);
  const [codes, scales] = [arena.alloc(tokens * columns), arena.alloc(tokens * 4)];
  const out = arena.alloc(tokens * rows * 4);
  const row = columns * 4;
  kernels.quantizeRows(1, tokens, columns, x, 0, row, codes, 0, columns, columns, scales, 0, 4);
  for (let i = 0; i < 20; i += 1) {
    kernels.gemmGroups(
      4,
      group,
      tokens,
      rows,
      columns,
      codes,
      columns,
      scales,
      4,
      w,
      out,
      rows * 4,
      library.FLAG_FINISH,
    );
  }
  kernels.softmaxF32(1, tokens, rows, out, 0, rows * 4, rows, 0, 0.25, out, 0, rows * 4);
  kernels.load();
  const { threads, fallbacks } = kernels;
  kernels.close();
  return { threads, fallbacks, bytes: [...arena.u8.slice(out, out + tokens * rows * 4)] };
}

const digest = (bytes: readonly number[]): string =>
  createHash('sha256').update(Uint8Array.from(bytes)).digest('hex');

describe.skipIf(!hasBrowser)('kernels in a browser', () => {
  let browser: Browser;
  let server: Server;
  let expected = '';

  beforeAll(async () => {
    const { code } = await bundleForBrowser("export { createKernels, FLAG_FINISH } from '@bitloom/kernels';");
    server = createServer(({ url }, response) => {
      if (url === '/kernels.js') {
        response.writeHead(200, {
          'content-type': 'text/javascript',
          'cross-origin-resource-policy': 'same-origin',
        });
        response.end(code);
        return;
      }
      const isolation = {
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      };
      response.writeHead(200, { 'content-type': 'text/html', ...(url === '/isolated' ? isolation : {}) });
      response.end('<!doctype html><title>kernels</title>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
    const here = await compute({ createKernels, FLAG_FINISH }, [...packed], [N, K, M, GROUP], 1);
    expected = digest(here.bytes);
  }, 300_000);
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  test.each([
    ['isolated', true, 2],
    ['plain', false, 1],
  ])('on a page that is %s', async (path, isolated, threads) => {
    const { port } = server.address() as AddressInfo;
    const page = await browser.newPage();
    const troubles: string[] = [];
    page.on('pageerror', (error) => troubles.push(error.message));
    await page.goto(`http://127.0.0.1:${port}/${path}`);
    // As text, because what stands in this file is rewritten by the test runner.
    const script = `(async () => {
      const library = await import('/kernels.js');
      const compute = ${compute};
      const outcome = await compute(library, ${JSON.stringify([...packed])}, ${JSON.stringify([N, K, M, GROUP])}, ${threads});
      return { isolated: crossOriginIsolated, ...outcome };
    })()`;
    const got: Outcome & { isolated: boolean } = await page.evaluate(script);
    await page.close();
    expect(troubles).toEqual([]);
    expect([got.isolated, got.threads, got.fallbacks]).toEqual([isolated, threads, []]);
    expect(digest(got.bytes)).toBe(expected);
  });
});
