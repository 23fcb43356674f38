import { BitloomError, codebookFormat, type ElementFormat, floatFormat } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codePointsSvg, decodeElement, ELEMENT_FORMATS, elementFormat } from '../src/index.js';

/** An element of a document: enough of XML to hold the pictures to account. */
interface Node {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Node[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" };

function unescapeXml(text: string): string {
  return text.replace(/&([^;&]*);?/g, (whole, name: string) => {
    if (!whole.endsWith(';') || !Object.hasOwn(ENTITIES, name)) throw new Error(`bad entity ${whole}`);
    return ENTITIES[name];
  });
}

/** Parses a document without comments or declarations; whatever is not well-formed throws. */
function parse(document: string): Node {
  const root: Node = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  let at = 0;
  for (const tag of document.matchAll(/<(\/?)([a-z]+)((?:\s+[A-Za-z:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const text = document.slice(at, tag.index);
    if (/[<>]/.test(text)) throw new Error(`stray bracket in ${text}`);
    open[open.length - 1].text += unescapeXml(text);
    at = tag.index + tag[0].length;
    const [, closes, name, attributes, isEmpty] = tag;
    if (closes !== '') {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes something else`);
      continue;
    }
    const node: Node = { name, attributes: Object.create(null), children: [], text: '' };
    for (const [, key, value] of attributes.matchAll(/([A-Za-z:-]+)="([^"]*)"/g)) {
      if (key in node.attributes) throw new Error(`${key} twice`);
      Object.assign(node.attributes, { [key]: unescapeXml(value) });
    }
    open[open.length - 1].children.push(node);
    if (isEmpty === '') open.push(node);
  }
  if (
    open.length !== 1 ||
    root.children.length !== 1 ||
    document.slice(at).trim() !== '' ||
    root.text.trim() !== ''
  ) {
    throw new Error('not one element');
  }
  return root.children[0];
}

const KINDS = ['normal', 'subnormal', 'zero'];

/** The lanes, from top to bottom. */
function lanesOf(svg: Node): Node[] {
  return svg.children.filter(({ name, attributes }) => name === 'g' && attributes.class !== 'legend');
}

/** Coordinates of the ticks of each lane. */
function ticksOf(svg: Node): number[][] {
  return lanesOf(svg).map(({ children }) => {
    const paths = children.filter(({ attributes }) => KINDS.includes(attributes.class));
    const xs = paths.flatMap(({ attributes }) => [...attributes.d.matchAll(/M([\d.]+) [\d.]+V[\d.]+/g)]);
    return xs.map(([, x]) => Number(x)).sort((a, b) => a - b);
  });
}

/** Every text of the picture. */
function textsOf(node: Node): string[] {
  return [...(node.name === 'text' ? [node.text] : []), ...node.children.flatMap(textsOf)];
}

function distinctValues(format: ElementFormat): number[] {
  const count = format.kind === 'codebook' ? (format.values?.length ?? 0) : 2 ** format.bits;
  const values = Array.from({ length: count }, (_, code) => decodeElement(code, format) + 0);
  return [...new Set(values.filter(Number.isFinite))].sort((a, b) => a - b);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

/** Any UTF-16, halves of pairs and control characters too. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 })
  .map((units) => String.fromCharCode(...units));

const drawable = Object.values(ELEMENT_FORMATS).filter(({ bits }) => bits <= 8);

describe('the picture of code points', () => {
  it.each(drawable.map((format) => [format.name, format] as const))(
    '%s has one mark per distinct value, in both scales',
    (_, format) => {
      const values = distinctValues(format);
      for (const axis of ['linear', 'symlog'] as const) {
        const [ticks, ...rest] = ticksOf(parse(codePointsSvg(format, { axis })));
        expect(rest).toEqual([]);
        expect(ticks.length).toBe(values.length);
        expect(ticks[0]).toBeGreaterThan(200);
        expect(ticks[ticks.length - 1]).toBeLessThan(800);
      }
    },
  );

  it('puts values in proportion on a linear axis', () => {
    const format = elementFormat('fp4_e2m1');
    const [ticks] = ticksOf(parse(codePointsSvg(format)));
    const values = distinctValues(format);
    const scale = (ticks[ticks.length - 1] - ticks[0]) / (values[values.length - 1] - values[0]);
    ticks.forEach((x, i) => {
      expect(Math.abs(x - ticks[0] - (values[i] - values[0]) * scale)).toBeLessThan(0.02);
    });
  });

  it('puts octaves at equal distances on a symmetric logarithmic axis, and mirrors signs', () => {
    const [ticks] = ticksOf(parse(codePointsSvg(elementFormat('fp8_e5m2'), { axis: 'symlog' })));
    const middle = ticks[(ticks.length - 1) / 2];
    ticks.forEach((x, i) => {
      expect(Math.abs(x - middle + (ticks[ticks.length - 1 - i] - middle))).toBeLessThan(0.03);
    });
    // Four values per octave: the last three octaves are equally long but for the linear part, far below.
    const [a, b, c] = [1, 5, 9].map((back) => ticks[ticks.length - back]);
    expect(Math.abs(a - b - (b - c))).toBeLessThan(0.02);
  });

  it('draws several formats on one axis', () => {
    const formats = ['int4', 'int8', 'uint8'].map(elementFormat);
    const [int4, int8, uint8] = ticksOf(parse(codePointsSvg(formats)));
    expect([int4.length, int8.length, uint8.length]).toEqual([16, 256, 256]);
    expect(int8.slice(128 - 8, 128 + 8)).toEqual(int4);
    expect(uint8.slice(0, 128)).toEqual(int8.slice(128));
  });

  it('says in words what it shows', () => {
    const svg = parse(codePointsSvg(['fp8_e5m2', 'int4'].map(elementFormat)));
    const find = (name: string): Node[] => svg.children.filter((child) => child.name === name);
    const [title] = find('title');
    const [desc] = find('desc');
    expect(title.text).toBe('Code points of fp8_e5m2, int4');
    expect(desc.text).toBe(
      'fp8_e5m2: 8 bits, 247 distinct finite values, 6 of them subnormal, from −57344 to 57344, least 2⁻¹⁶; also ±∞, NaN. int4: 4 bits, 16 distinct finite values, from −8 to 7, least 1.',
    );
    expect(svg.attributes).toMatchObject({ role: 'img', width: '800', viewBox: '0 0 800 180' });
    expect(svg.attributes['aria-labelledby']).toBe(`${title.attributes.id} ${desc.attributes.id}`);
    const texts = textsOf(svg);
    for (const text of [
      'fp8_e5m2',
      '8 bits · 247 values · ±∞, NaN',
      '−57344 to 57344, least 2⁻¹⁶',
      'subnormal',
    ]) {
      expect(texts).toContain(text);
    }
  });

  it('keeps labels of the axis apart and inside of the picture', () => {
    fc.assert(
      fc.property(
        fc.subarray(drawable, { minLength: 1 }),
        fc.constantFrom('linear' as const, 'symlog' as const),
        fc.integer({ min: 520, max: 1600 }),
        (formats, axis, width) => {
          const svg = parse(codePointsSvg(formats, { axis, width }));
          const marks = svg.children.filter(({ attributes }) => attributes['text-anchor'] === 'middle');
          const xs = marks.map(({ attributes }) => Number(attributes.x));
          expect(xs.length).toBeGreaterThan(0);
          expect(Math.min(...xs)).toBeGreaterThan(190);
          expect(Math.max(...xs)).toBeLessThan(width - 14);
          for (let i = 1; i < xs.length; i += 1) expect(xs[i] - xs[i - 1]).toBeGreaterThan(40);
          expect(new Set(marks.map(({ text }) => text)).size).toBe(marks.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is a document of its own: no scripts, no references, equal bytes each time', () => {
    const draw = (): string => codePointsSvg(drawable, { axis: 'symlog' });
    const svg = draw();
    expect(draw()).toBe(svg);
    expect(svg).not.toMatch(/<script|href|url\(|@import|\bon[a-z]+=/);
    expect(svg.match(/https?:[^"]*/g)).toEqual(['http://www.w3.org/2000/svg']);
  });

  it('takes any name, title and id for text', () => {
    fc.assert(
      fc.property(anyText, fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), (name, title, id) => {
        const format = codebookFormat(name, 2, [-1, 0, 1]);
        const svg = parse(codePointsSvg(format, { title, id }));
        expect(ticksOf(svg)[0].length).toBe(3);
      }),
      { numRuns: 50 },
    );
    const custom = parse(codePointsSvg(elementFormat('<2,1>')));
    expect(textsOf(custom)).toContain('<2,1>');
    expect(custom.children[0].attributes.id).toBe('code-points-_2_1_-title');
  });

  it('draws formats of a single value, and without zero', () => {
    for (const values of [[0], [3], [-2, -2], [Number.MIN_VALUE], [-Number.MAX_VALUE]]) {
      const format = codebookFormat('one', 1, values);
      for (const axis of ['linear', 'symlog'] as const) {
        expect(ticksOf(parse(codePointsSvg(format, { axis })))[0].length).toBe(1);
      }
    }
  });

  it('reaches the ends of float64', () => {
    const ends = [-Number.MAX_VALUE, -1, -Number.MIN_VALUE, 0, 1e-200, 1e200, Number.MAX_VALUE];
    for (const axis of ['linear', 'symlog'] as const) {
      const svg = codePointsSvg(codebookFormat('ends', 3, ends), { axis });
      expect(ticksOf(parse(svg))[0].length).toBe(7);
      expect(svg).not.toMatch(/NaN|Infinity/);
    }
  });

  it('refuses what it cannot draw', () => {
    expect(codeOf(() => codePointsSvg([]))).toBe('picture-formats');
    expect(codeOf(() => codePointsSvg(elementFormat('fp16')))).toBe('picture-formats');
    expect(codeOf(() => codePointsSvg(floatFormat('tiny', 1, 1, { specials: 'none' })))).toBe('nothing');
    const int4 = elementFormat('int4');
    expect(codeOf(() => codePointsSvg(int4, { width: 100 }))).toBe('picture-option');
    expect(codeOf(() => codePointsSvg(int4, { width: Number.NaN }))).toBe('picture-option');
    expect(codeOf(() => codePointsSvg(int4, { axis: 'symlog', linearBelow: 0 }))).toBe('picture-option');
  });
});
