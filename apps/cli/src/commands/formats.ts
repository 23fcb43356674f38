/**
 * `bitloom formats`: element formats and quantisation schemes, or one of them in full, schemes of whole models included.
 */
import type { Scheme } from '@bitloom/compression';
import {
  decodeElement,
  describe,
  ELEMENT_FORMATS,
  elementFormat,
  formatRange,
  preset,
  presetNames,
  type SchemeDescription,
} from '@bitloom/formats';
import { BitloomError, type ElementFormat, type TensorScheme } from '@bitloom/ir';
import { EXIT } from '../exit-codes.js';
import { linearFormats, modelSchemeDocument, modelSchemeFacts } from '../formats/model-scheme.js';
import { requireWritable } from '../output/require-writable.js';
import { writeText } from '../output/write-text.js';
import { formatColumns, formatFacts } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

/** What `--json` prints of a scheme. */
interface SchemeDocument extends SchemeDescription {
  readonly doc: string;
  readonly activations?: string;
}

/** What `--json` prints of an element format. */
interface ElementDocument extends ElementFormat {
  readonly min: number;
  readonly max: number;
  readonly smallest: number;
}

export interface FormatsOptions {
  /** File for a picture of the code points. */
  readonly svg?: string;
}

export async function formats(
  name: string | undefined,
  { svg }: FormatsOptions,
  terminal: Terminal,
): Promise<number> {
  requireWritable(svg, []);
  if (svg !== undefined) await writePicture(name, svg, terminal);
  if (name === undefined) return listAll(terminal);
  const found = await findFormat(name);
  if ('element' in found) return showElement(found.element, terminal);
  return 'scheme' in found ? showScheme(found.scheme, terminal) : showModelScheme(found.model, terminal);
}

type Found = { readonly element: ElementFormat } | { readonly scheme: string } | { readonly model: Scheme };

/**
 * What a name means: an element by its own name, a scheme of a tensor, an element by another program's name or as <E,M>,
 * then a scheme of models.
 * @throws BitloomError `format-record` for widths that no element has, `preset-unknown`; `scheme-mix`, `scheme-sparsity`
 *   and `scheme-kv-cache` for what a scheme of models cannot have
 */
async function findFormat(name: string): Promise<Found> {
  try {
    return await lookUp(name);
  } catch (error) {
    if (!(error instanceof BitloomError) || error.hint !== undefined) throw error;
    const { code, where, expected, got } = error;
    // The message already holds the other fields after its first sentence.
    const message = error.message.split('; ', 1)[0];
    throw new BitloomError({ code, message, where, expected, got, hint: MEND, cause: error });
  }
}

const MEND =
  '`bitloom formats` lists them; families are MLS<E,M>, ShiftQuant<bits>x<groups> and elements <E,M>';

async function lookUp(name: string): Promise<Found> {
  if (Object.hasOwn(ELEMENT_FORMATS, name)) return { element: ELEMENT_FORMATS[name] };
  const format =
    known('preset-unknown', () => ({ scheme: preset(name).name })) ??
    known('format-unknown', () => ({ element: elementFormat(name) }));
  if (format !== undefined) return format;
  const { findScheme } = await import('@bitloom/compression');
  return known('scheme-unknown', () => ({ model: findScheme(name) })) ?? unknownName(name);
}

/** What `find` finds; undefined where it throws that it knows no such name. */
function known<T>(code: string, find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof BitloomError && error.code === code) return undefined;
    throw error;
  }
}

function unknownName(name: string): never {
  throw new BitloomError({
    code: 'preset-unknown',
    message: 'there is no scheme or element format of this name',
    expected: [...presetNames(), ...Object.keys(ELEMENT_FORMATS)].join(', '),
    got: name,
    hint: MEND,
  });
}

/** Code points of one element; without a name, of those of 4 to 8 bits that people compare. */
async function writePicture(name: string | undefined, path: string, terminal: Terminal): Promise<void> {
  const { codePointsSvg } = await import('@bitloom/formats');
  const shown = name === undefined ? COMPARED : [name];
  const found = await Promise.all(shown.map(findFormat));
  const elements = found.flatMap((one) => {
    if ('element' in one) return [one.element];
    return 'scheme' in one
      ? [preset(one.scheme).weights.element]
      : linearFormats(one.model).map(({ element }) => element);
  });
  const axis = elements.some(({ kind }) => kind === 'float') ? 'symlog' : 'linear';
  writeText(path, codePointsSvg(elements, { axis }));
  terminal.log(`wrote ${path}`);
}

const COMPARED = ['int4', 'fp4_e2m1', 'fp6_e2m3', 'fp6_e3m2', 'int8', 'fp8_e4m3fn', 'fp8_e5m2'];

function listAll(terminal: Terminal): number {
  const schemes = presetNames().map(schemeDocument);
  const elements = Object.values(ELEMENT_FORMATS).map(elementDocument);
  if (terminal.json) {
    terminal.document({ schemes, elements });
    return EXIT.ok;
  }
  const { out } = terminal;
  const schemeTable = formatColumns(
    [
      { title: 'scheme' },
      { title: 'bits/weight', align: 'right' },
      { title: 'element' },
      { title: 'range', align: 'right' },
      { title: 'what it is' },
    ],
    schemes.map(({ name, bitsPerWeight, element, range, doc }) => [
      out.style.accent(name),
      String(Number(bitsPerWeight.toFixed(4))),
      element,
      rangeText(range[0], range[1]),
      doc,
    ]),
    out,
  );
  const elementTable = formatColumns(
    [
      { title: 'element' },
      { title: 'bits', align: 'right' },
      { title: 'range', align: 'right' },
      { title: 'smallest', align: 'right' },
      { title: 'exponent, mantissa, bias', align: 'right' },
      { title: 'no numbers' },
    ],
    elements.map((format) => [
      out.style.accent(format.name),
      String(format.bits),
      rangeText(format.min, format.max),
      figure(format.smallest),
      format.kind === 'float'
        ? `${format.exponentBits}, ${format.mantissaBits}, ${format.bias}`
        : format.kind,
      SPECIALS[format.specials],
    ]),
    out,
  );
  terminal.write(
    `${schemeTable}\n${elementTable}\n` +
      'Families by pattern: MLS<E,M>, ShiftQuant<bits>x<groups>; elements <E,M>.\n' +
      'Integer schemes beside these: FlightLLM-W<bits> (2 to 8), FlightLLM-mixed<average> (a width for each matrix).\n' +
      'Suffixes of a scheme: -8:16 (-4:16, -2:16, -2:4) prunes its linear weights, -KV4 keeps its KV cache in 4 bits.\n' +
      '`bitloom formats NAME` describes one; `bitloom compare MODEL --schemes A,B` measures them on a model.\n',
  );
  return EXIT.ok;
}

const SPECIALS: Readonly<Record<ElementFormat['specials'], string>> = {
  ieee: 'infinities, NaNs',
  fn: 'one NaN per sign',
  fnuz: 'one NaN, no -0',
  'nan-only': 'one NaN, no 0',
  none: 'none',
};

function showScheme(name: string, terminal: Terminal): number {
  const { weights, activations, doc } = preset(name);
  if (terminal.json) {
    terminal.document({
      ...schemeDocument(name),
      weights,
      ...(activations === undefined ? {} : { activations }),
    });
    return EXIT.ok;
  }
  const { text, bitsPerWeight } = describe(weights);
  const facts: [string, string][] = [
    ['weights', text],
    ['bits per weight', String(Number(bitsPerWeight.toFixed(4)))],
    ...(activations === undefined ? [] : [['activations', describe(activations).text] as [string, string]]),
    ['saturate', String(weights.saturate)],
    ['NaN', nanText(weights)],
    ['layout', weights.layout],
  ];
  const { out } = terminal;
  terminal.write(`${out.style.strong(name)}: ${doc}\n${formatFacts(facts, out)}`);
  if (weights.element.bits <= 4) terminal.write(codePoints(weights.element));
  return EXIT.ok;
}

function showModelScheme(scheme: Scheme, terminal: Terminal): number {
  if (terminal.json) {
    terminal.document(modelSchemeDocument(scheme));
    return EXIT.ok;
  }
  const { out } = terminal;
  terminal.write(
    `${out.style.strong(scheme.name)}: ${scheme.doc}\n${formatFacts(modelSchemeFacts(scheme), out)}`,
  );
  return EXIT.ok;
}

function nanText({ nan, scales }: TensorScheme): string {
  return scales[0].format.specials === 'nan-only' ? 'the block becomes NaN' : nan;
}

function showElement(format: ElementFormat, terminal: Terminal): number {
  const document = elementDocument(format);
  if (terminal.json) {
    terminal.document(document);
    return EXIT.ok;
  }
  const { out } = terminal;
  const facts: [string, string][] = [
    ['bits', String(format.bits)],
    ['range', rangeText(document.min, document.max)],
    ['smallest', figure(document.smallest)],
    ['no numbers', SPECIALS[format.specials]],
  ];
  terminal.write(`${out.style.strong(format.name)}\n${formatFacts(facts, out)}`);
  if (format.bits <= 4) terminal.write(codePoints(format));
  return EXIT.ok;
}

/** All values of a narrow element, in order of codes. */
function codePoints(format: ElementFormat): string {
  const used = format.values?.length ?? 2 ** format.bits;
  const values = Array.from({ length: used }, (_, code) => decodeElement(code, format));
  return `  values by code: ${values.map((value) => (Object.is(value, -0) ? '-0' : figure(value))).join(' ')}\n`;
}

function schemeDocument(name: string): SchemeDocument {
  const { doc, weights, activations } = preset(name);
  return {
    ...describe(weights),
    name,
    doc,
    ...(activations === undefined ? {} : { activations: describe(activations).text }),
  };
}

function elementDocument(format: ElementFormat): ElementDocument {
  const { min, max, smallest } = formatRange(format);
  return { ...format, min, max, smallest };
}

function rangeText(min: number, max: number): string {
  return min === -max ? `±${figure(max)}` : `${figure(min)}..${figure(max)}`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(6)));
}
