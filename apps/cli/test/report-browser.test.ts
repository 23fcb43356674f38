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
      ...['simulate', scratch.path('tiny.bitloom'), '--device', 'u280-bitloom'],
      ...['--prefill', '8', '--decode', '2', '--html', file],
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

  /** The middle of a unit of a core, in pixels of the canvas: an axis, then a title and six units for each core. */
  const laneAt = (core: number, lane: number): number => 26 + core * (20 + 6 * 25) + 20 + lane * 25 + 10;
  const MATRIX = 2;

  /** Clicks along a lane until an instruction is hit, and gives what is said of it. */
  async function clickBlock(page: Page, core: number, lane: number): Promise<Map<string, string>> {
    const box = await page.locator('#timeline').boundingBox();
    if (box === null) throw new Error('no canvas');
    const kept = page.locator('#kept');
    for (let x = 120; x < box.width - 10; x += 9) {
      await page.locator('#timeline').click({ position: { x, y: laneAt(core, lane) } });
      if (await kept.isVisible()) break;
    }
    return facts(page);
  }

  async function facts(page: Page): Promise<Map<string, string>> {
    const [terms, texts] = [
      await page.locator('#facts dt').allTextContents(),
      await page.locator('#facts dd').allTextContents(),
    ];
    return new Map(terms.map((term, i) => [term, texts[i]]));
  }

  test.each([
    [1280, 'light'],
    [390, 'dark'],
  ] as const)('says at %i pixels in %s what a clicked instruction is', async (width, scheme) => {
    const { page, troubles } = await open(width, scheme);
    const said = await clickBlock(page, 1, MATRIX);
    expect([...said.keys()]).toEqual(
      expect.arrayContaining(['op', 'node', 'instruction', 'unit', 'time', 'wait before', 'waited for']),
    );
    expect(said.get('unit')).toBe('matrix, core 1');
    expect(said.get('time')).toMatch(/s = [\d\u202f]+ cycles?$/);
    await page.click('[data-go=next]');
    expect((await facts(page)).get('from, to')).not.toBe(said.get('from, to'));
    // From waiter to blocker, until there is one on another unit.
    const units = new Set<string | undefined>();
    for (let i = 0; i < 12; i++) {
      const blocker = page.locator('[data-go=blocker]');
      if (await blocker.isDisabled()) break;
      await blocker.click();
      units.add((await facts(page)).get('unit'));
    }
    expect(units.size).toBeGreaterThan(1);
    const size = await page.locator('html').evaluate((root) => [root.scrollWidth, innerWidth]);
    expect(size[0]).toBeLessThanOrEqual(size[1]);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  test('zooms by wheel, buttons, keys and a marked part, and moves by dragging', async () => {
    const { page, troubles } = await open(1280, 'light');
    const shown = page.locator('#window');
    const canvas = page.locator('#timeline');
    await canvas.scrollIntoViewIfNeeded();
    let last = await shown.textContent();
    const whole = last;
    const changes = async (): Promise<void> => {
      await expect.poll(() => shown.textContent()).not.toBe(last);
      last = await shown.textContent();
    };
    const box = await canvas.boundingBox();
    if (box === null) throw new Error('no canvas');
    await page.mouse.move(box.x + 500, box.y + 60);
    await page.mouse.wheel(0, -300);
    await changes();
    for (const way of ['in', 'right', 'out']) {
      await page.click(`[data-zoom=${way}]`);
      await changes();
    }
    for (const key of ['+', 'ArrowRight', '-']) {
      await canvas.press(key);
      await changes();
    }
    await page.click('[data-zoom=fit]');
    await expect.poll(() => shown.textContent()).toBe(whole);
    last = whole;
    // Along the axis a drag marks a part; on the units it moves.
    const drag = async (from: number, to: number, y: number): Promise<void> => {
      const at = await canvas.boundingBox();
      if (at === null) throw new Error('no canvas');
      await page.mouse.move(at.x + from, at.y + y);
      await page.mouse.down();
      await page.mouse.move(at.x + to, at.y + y, { steps: 4 });
      await page.mouse.up();
    };
    await drag(400, 500, 12);
    await changes();
    await drag(600, 500, 60);
    await changes();
    await canvas.press('0');
    await expect.poll(() => shown.textContent()).toBe(whole);
    // Keys alone reach an instruction and what it waited for.
    await canvas.press('n');
    expect(await page.locator('#kept').isVisible()).toBe(true);
    const unit = (await facts(page)).get('unit');
    await canvas.press('ArrowDown');
    expect((await facts(page)).get('unit')).not.toBe(unit);
    await canvas.press('Escape');
    expect(await page.locator('#kept').isVisible()).toBe(false);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  test('shows phases, points at blocks, and lists why each phase is not faster', async () => {
    const { page, troubles } = await open(1280, 'light');
    const decode = page.locator('[data-phase=decode]').first();
    const prefill = page.locator('[data-phase=prefill]').first();
    expect([await decode.isVisible(), await prefill.isVisible()]).toEqual([true, false]);
    for (const phase of ['prefill', 'decode', 'total']) {
      await page.click(`[data-choose=${phase}]`);
      const items = page.locator('.why li:visible');
      expect(await items.count()).toBeGreaterThan(2);
      const shares = (await page.locator('.why li:visible .part').allTextContents()).map(Number.parseFloat);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0);
    }
    expect([await decode.isVisible(), await prefill.isVisible()]).toEqual([false, false]);

    const canvas = page.locator('#timeline');
    await canvas.scrollIntoViewIfNeeded();
    const box = await canvas.boundingBox();
    if (box === null) throw new Error('no canvas');
    const tip = page.locator('#tip');
    for (let x = 90; x < box.width && !(await tip.isVisible()); x += 9) {
      await page.mouse.move(box.x + x, box.y + laneAt(0, MATRIX));
    }
    expect(await tip.textContent()).toMatch(/matrix, core 0.*cycle/s);
    // At the bottom stands the last memory's band of channels, the last channel as its last line.
    await page.mouse.move(box.x + 300, box.y + box.height - 8);
    await expect
      .poll(() => tip.textContent())
      .toMatch(/^hbm channel 31: [\d.]+ % of its peak; all channels [\d.]+ %$/);
    expect(await page.locator('#detail').textContent()).toMatch(
      /busiest in all: hbm \d+ moved [\d.]+ times the mean/,
    );
    await page.mouse.move(box.x + 300, box.y - 60);
    await expect.poll(() => tip.isVisible()).toBe(false);
    expect(troubles).toEqual([]);
    await page.context().close();
  });
});
