/**
 * docs/number-formats.md and its pictures are what `node scripts/format-table.mjs` would write now: everything that
 * needs no real weights, and of those a few lines where they are there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { presetNames } from '@bitloom/formats';
import { expect, test } from 'vitest';
import { dataRoot, hasData } from './support/data.js';
import { fromRoot } from './support/workspace.js';

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
interface Source {
  readonly title: string;
  readonly short: string;
  readonly tensors: readonly Tensor[];
}
interface Row {
  readonly name: string;
  readonly bits: number;
  readonly relativeRmse: number;
  readonly sqnr: number;
  readonly peak: number;
}
interface Format {
  readonly name: string;
}

const load = (name: string) => import(pathToFileURL(fromRoot('scripts', 'support', name)).href);
const {
  syntheticSources,
  stories260k,
  resnet20,
}: {
  syntheticSources(): Source[];
  stories260k(folder: string): Promise<Source>;
  resnet20(folder: string): Source;
} = await load('format-data.mjs');
const { formatPictures }: { formatPictures(): { file: string; svg: string }[] } =
  await load('format-pictures.mjs');
const {
  pageParts,
}: {
  pageParts(sources: readonly Source[]): {
    results: { source: Source; rows: Row[] }[];
    elements: string;
    schemes: string;
    details: Record<string, string>;
    shift: string;
  };
} = await load('format-page.mjs');
const {
  measure,
  measuredFormats,
  sourceTable,
}: {
  measure(format: Format, tensors: readonly Tensor[]): Omit<Row, 'name'>;
  measuredFormats(): Format[];
  sourceTable(rows: readonly Row[]): string;
} = await load('format-tables.mjs');
const { onnxInitializers }: { onnxInitializers(bytes: Uint8Array): Tensor[] } =
  await load('onnx-initializers.mjs');

const page = readFileSync(fromRoot('docs', 'number-formats.md'), 'utf8');
const hint = 'stale: run `node scripts/format-table.mjs`';
/** Lines of a table without its head. */
const linesOf = (table: string): string[] => table.split('\n').slice(2);

test('the tables of formats and of seeded data are fresh', () => {
  const { results, elements, schemes, details, shift } = pageParts(syntheticSources());
  expect(page.includes(elements), `elements are ${hint}`).toBe(true);
  expect(page.includes(schemes), `formats are ${hint}`).toBe(true);
  for (const [name, table] of Object.entries(details)) {
    expect(page.includes(table), `${name} is ${hint}`).toBe(true);
  }
  const stale = linesOf(shift).filter((line) => !page.includes(line));
  expect(stale, hint).toEqual([]);
  results[0].rows.forEach(({ name }, i) => {
    const figures = results.map(({ rows }) => rows[i].sqnr.toFixed(2)).join(' | ');
    const line = page
      .split('\n')
      .find((text) => text.startsWith(`| \`${name}\` |`) && text.includes(`| ${figures} |`));
    expect(line, `${name} in the overview is ${hint}`).toBeDefined();
  });
});

test('every preset is in it', () => {
  for (const name of presetNames()) expect(page, name).toContain(`| \`${name}\` |`);
});

test('the pictures are fresh, and there are no others', () => {
  const pictures = formatPictures();
  expect(readdirSync(fromRoot('docs', 'formats')).sort()).toEqual(pictures.map(({ file }) => file).sort());
  for (const { file, svg } of pictures) {
    expect(readFileSync(fromRoot('docs', 'formats', file), 'utf8') === svg, `${file} is ${hint}`).toBe(true);
    expect(page).toContain(`](formats/${file})`);
  }
});

test.skipIf(!hasData)('figures of real weights are fresh, in a sample of formats', async () => {
  const sample = new Set(['W4A8', 'MXFP4', 'Q4_0']);
  const formats = measuredFormats().filter(({ name }) => sample.has(name));
  expect(formats.length).toBe(sample.size);
  for (const { title, tensors } of [await stories260k(dataRoot), resnet20(dataRoot)]) {
    const section = page.slice(page.indexOf(`<summary>${title}</summary>`)).split('</details>')[0];
    const rows = formats.map((format) => ({ name: format.name, ...measure(format, tensors) }));
    for (const line of linesOf(sourceTable(rows))) expect(section.split('\n'), hint).toContain(line);
  }
});

test('initialisers of an ONNX file: raw and listed floats, packed and single dimensions, nothing else', () => {
  const floats = (values: number[]) => [...new Uint8Array(Float32Array.from(values).buffer)];
  const field = (number: number, bytes: number[]) => [number * 8 + 2, bytes.length, ...bytes];
  const name = (text: string) => field(8, [...Buffer.from(text)]);
  const raw = [8, 2, 8, 3, 16, 1, ...name('raw'), ...field(9, floats([1, 2, 3, 4, 5, 6]))];
  const listed = [...field(1, [2]), 16, 1, ...name('listed'), ...field(4, floats([-1, 0.5]))];
  const integers = [8, 1, 16, 7, ...name('shape'), ...field(9, [1, 0, 0, 0, 0, 0, 0, 0])];
  // A graph between a version number, a fixed64 and a fixed32 field that mean nothing here.
  const graph = [...field(2, [9, 9]), ...[raw, listed, integers].flatMap((tensor) => field(5, tensor))];
  const model = [8, 0x80, 1, ...field(7, graph), 65, ...new Array<number>(8).fill(1), 77, 1, 1, 1, 1];
  expect(onnxInitializers(Uint8Array.from(model))).toEqual([
    { name: 'raw', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'listed', shape: [2], data: Float32Array.of(-1, 0.5) },
  ]);
  expect(() => onnxInitializers(Uint8Array.from(model.slice(0, -2)))).toThrow(/cannot be read/);
  expect(() => onnxInitializers(Uint8Array.of(58, 200))).toThrow();
  const short = field(7, field(5, [8, 3, 16, 1, ...field(9, floats([1]))]));
  expect(() => onnxInitializers(Uint8Array.from(short))).toThrow(/bytes of its shape/);
});
