/** The report page in a real browser, where there is one: what it draws, what it answers, and that it fits. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliJson, useBuiltCli, useScratch } from './support/cli.js';
import { writeTinyModel } from './support/tiny-model.js';

const CHROMIUM = process.env.BITLOOM_CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  console.warn(`no browser at ${CHROMIUM}: the report page is not opened (set BITLOOM_CHROMIUM)`);

describe.skipIf(!hasBrowser)('the report page', () => {
  useBuiltCli();
  const scratch = useScratch();
  let browser: Browser;
  let url = '';

  beforeAll(async () => {
    writeTinyModel(scratch.path('tiny.bitloom'));
    const file = scratch.path('report.html');
    await cliJson([
      'simulate',
      scratch.path('tiny.bitloom'),
      '--prefill',
      '8',
      '--decode',
      '2',
      '--html',
      file,
    ]);
    url = pathToFileURL(file).href;
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
  }, 300_000);
  afterAll(() => browser.close());

  /** Opens the page; whatever goes wrong in it, or goes out of it, is collected. */
  async function open(
    width: number,
    colorScheme: 'light' | 'dark',
  ): Promise<{ page: Page; troubles: string[] }> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const troubles: string[] = [];
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('console', (message) => troubles.push(message.text()));
    page.on('request', (request) => {
      if (request.url() !== url) troubles.push(`asks for ${request.url()}`);
    });
    await page.goto(url);
    await page.locator('#detail:not(:empty)').waitFor();
    return { page, troubles };
  }

  /** Colours on the canvas that are neither transparent nor the background. */
  const paint = (page: Page): Promise<number> =>
    page.locator('#timeline').evaluate((canvas) => {
      const painter = canvas instanceof HTMLCanvasElement ? canvas.getContext('2d') : null;
      if (painter === null) return 0;
      const { data } = painter.getImageData(0, 0, painter.canvas.width, painter.canvas.height);
      const seen = new Set<number>();
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      }
      return seen.size;
    });

  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('fits %i pixels in %s, without an error or a request', async (width, scheme) => {
    const { page, troubles } = await open(width, scheme);
    await expect.poll(() => paint(page)).toBeGreaterThan(5);
    const size = await page.locator('html').evaluate((root) => [root.scrollWidth, innerWidth]);
    expect(size[0]).toBeLessThanOrEqual(size[1]);
    const colors = await page.locator('body').evaluate((body) => {
      const { color, backgroundColor } = getComputedStyle(body);
      return [color, backgroundColor].map((text) => Number(/\d+/.exec(text)?.[0]));
    });
    expect(colors[0] < colors[1]).toBe(scheme === 'light');
    expect(await page.locator('.roofline:visible').count()).toBe(1);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  test('answers: phases, zoom, pointing and clicking', async () => {
    const { page, troubles } = await open(1280, 'light');
    const decode = page.locator('[data-phase=decode]').first();
    const prefill = page.locator('[data-phase=prefill]').first();
    expect([await decode.isVisible(), await prefill.isVisible()]).toEqual([true, false]);
    await page.click('[data-choose=prefill]');
    expect([await decode.isVisible(), await prefill.isVisible()]).toEqual([false, true]);

    const shown = page.locator('#window');
    const whole = await shown.textContent();
    await page.click('[data-zoom=in]');
    await expect.poll(() => shown.textContent()).not.toBe(whole);
    await page.locator('#timeline').press('ArrowRight');
    await page.click('[data-zoom=fit]');
    await expect.poll(() => shown.textContent()).toBe(whole);

    // Along the lane of the matrix engine, some place has a block.
    const box = await page.locator('#timeline').boundingBox();
    if (box === null) throw new Error('no canvas');
    const y = box.y + 26 + 3 * 40 + 16;
    const tip = page.locator('#tip');
    let x = box.x + 80;
    for (; x < box.x + box.width; x += 9) {
      await page.mouse.move(x, y);
      if (await tip.isVisible()) break;
    }
    expect(await tip.textContent()).toMatch(/layer \d+.*on matrix.*cycles/s);
    await page.mouse.click(x, y);
    expect(await page.locator('#kept').textContent()).toBe(await tip.textContent());
    await page.mouse.move(box.x + 300, box.y - 60);
    await expect.poll(() => tip.isVisible()).toBe(false);
    expect(await page.locator('#kept').isVisible()).toBe(true);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
