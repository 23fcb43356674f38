/**
 * The tables of docs/number-formats.md: what formats cost, what their codes say, how far they lie from the original on
 * a list of sources, and how far ShiftQuant lies from the bound of group quantisation. It measures and writes Markdown;
 * where the data come from is in `format-data.mjs`. Equal input gives equal text.
 */
import {
  dequantize,
  describe,
  ErrorAccumulator,
  errorMetrics,
  formatRange,
  GGML_BLOCK_SIZES,
  ggmlLayoutName,
  integerScheme,
  mxScheme,
  perGroup,
  preset,
  presetNames,
  quantize,
  shiftDistanceTable,
} from '@bitloom/formats';
import { allFormats, pictureOf } from './format-pictures.mjs';

const MX_ELEMENTS = {
  MXFP8: 'fp8_e4m3fn',
  MXFP8_E5M2: 'fp8_e5m2',
  MXFP6: 'fp6_e2m3',
  MXFP6_E3M2: 'fp6_e3m2',
  MXFP4: 'fp4_e2m1',
  MXINT8: 'mxint8',
};

/**
 * What is measured: every preset, the widths of group integers between them, and the scale rules of MX beside `floor`.
 * A row says its scheme by rank: MLS groups the planes of a convolution.
 */
export function measuredFormats() {
  const presets = presetNames().map((name) => {
    const { doc, weights } = preset(name);
    return { name, doc, schemeOf: (rank) => (rank > 2 ? preset(name, rank).weights : weights) };
  });
  const fixed = (name, doc, scheme) => ({ name, doc, schemeOf: () => scheme });
  const widths = [2, 3, 5, 6, 7].map((bits) =>
    fixed(
      `INT${bits} per 32`,
      `INT${bits} weights in groups of 32, scale amax/qmax`,
      integerScheme(bits, perGroup(32)),
    ),
  );
  const rules = Object.entries(MX_ELEMENTS).flatMap(([name, element]) =>
    ['rceil', 'ceil', 'even'].map((rule) =>
      fixed(`${name} ${rule}`, `as ${name}, scale by the rule ${rule}`, mxScheme(element, rule)),
    ),
  );
  return [...presets, ...widths, ...rules];
}

/**
 * A tensor as a scheme takes it. Kernels of convolutions are matrices [outputs, the rest], but for schemes that group
 * by axes. Rows that are no whole blocks of a GGML format are taken one behind the other, up to the last whole block.
 */
function arranged({ shape, data }, schemeOf) {
  const byAxes = schemeOf(shape.length);
  if (byAxes.scales.some(({ granularity }) => granularity.strategy === 'axis'))
    return { data, shape, scheme: byAxes };
  const scheme = schemeOf(2);
  const cols = data.length / shape[0];
  const block = ggmlLayoutName(scheme.layout);
  if (block === undefined) return { data, shape: [shape[0], cols], scheme };
  const { elements } = GGML_BLOCK_SIZES[block];
  if (cols % elements === 0) return { data, shape: [shape[0], cols], scheme };
  const whole = data.length - (data.length % elements);
  return { data: data.subarray(0, whole), shape: [1, whole], scheme };
}

/** Bits and errors of one format on one source. */
export function measure({ schemeOf }, tensors) {
  const errors = new ErrorAccumulator();
  let bits = 0;
  let elements = 0;
  let peak = 0;
  for (const tensor of tensors) {
    const { data, shape, scheme } = arranged(tensor, schemeOf);
    if (data.length === 0) continue;
    const values = dequantize(quantize({ data, shape }, scheme));
    errors.add(data, values);
    const { maxError } = errorMetrics(data, values);
    const amax = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    peak = Math.max(peak, maxError / amax);
    bits += describe(scheme, shape).bitsPerWeight * data.length;
    elements += data.length;
  }
  const { relativeRmse, sqnr } = errors.result();
  return { bits: bits / elements, relativeRmse, sqnr, peak };
}

function table(head, alignment, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(alignment.map((side) => (side === 'right' ? '---:' : '---'))),
    ...rows.map(line),
  ].join('\n');
}

/** At most four decimals, none where none are needed. */
const short = (value) => String(Number(value.toFixed(4)));
const code = (text) => `\`${text}\``;

/** A value of an element format: exact, powers of two as such where the decimals are long. */
function exactValue(value) {
  const decimal = String(value);
  const exponent = Math.log2(Math.abs(value));
  if (decimal.length > 8 && Number.isInteger(exponent)) return `${value < 0 ? '−' : ''}2^${minus(exponent)}`;
  return minus(decimal.length > 12 ? value.toPrecision(7) : decimal);
}
const minus = (text) => String(text).replaceAll('-', '−');

/** Every element format: bits, range, smallest steps, what is no number, where its picture is. */
export function elementTable() {
  const rows = [...allFormats().values()].map((format) => {
    const { name, bits, kind, specials } = format;
    const { min, max, smallest, smallestNormal } = formatRange(format);
    const picture = pictureOf(format);
    const normal = kind === 'float' && smallestNormal !== smallest ? exactValue(smallestNormal) : '';
    return [
      code(name),
      String(bits),
      exactValue(min),
      exactValue(max),
      exactValue(smallest),
      normal,
      { ieee: '±∞, NaN', fn: 'NaN', fnuz: 'NaN', 'nan-only': 'NaN', none: '' }[specials],
      picture === undefined ? '' : `[${picture.file.replace('.svg', '')}](formats/${picture.file})`,
    ];
  });
  return table(
    ['element', 'bits', 'lowest', 'highest', 'least above 0', 'least normal', 'no numbers', 'picture'],
    ['left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
    rows,
  );
}

/** Every measured format: what it is, its element, its codes in use, bits per weight of a tensor without end. */
export function schemeTable() {
  const rows = measuredFormats().map(({ name, doc, schemeOf }) => {
    const { element, range, bitsPerWeight } = describe(schemeOf(2));
    return [
      code(name),
      doc,
      code(element),
      `${exactValue(range[0])} to ${exactValue(range[1])}`,
      short(bitsPerWeight),
    ];
  });
  return table(
    ['format', 'what it is', 'element', 'codes in use', 'bits per weight'],
    ['left', 'left', 'left', 'left', 'right'],
    rows,
  );
}

/** Results of every format on a source, in the order of {@link measuredFormats}. */
export function measureAll(source) {
  return measuredFormats().map((format) => ({ name: format.name, ...measure(format, source.tensors) }));
}

/** All formats by bits and then by the first source, with the signal to noise on each source. */
export function overviewTable(results) {
  const [first] = results;
  const order = first.rows
    .map((_, i) => i)
    .sort((a, b) => first.rows[a].bits - first.rows[b].bits || first.rows[b].sqnr - first.rows[a].sqnr);
  return table(
    ['format', 'bits', ...results.map(({ source }) => source.short)],
    ['left', 'right', ...results.map(() => 'right')],
    order.map((i) => [
      code(first.rows[i].name),
      short(first.rows[i].bits),
      ...results.map(({ rows }) => rows[i].sqnr.toFixed(2)),
    ]),
  );
}

/** Everything about one source. */
export function sourceTable(rows) {
  return table(
    ['format', 'bits per weight', 'relative RMSE', 'SQNR in dB', 'largest error / amax'],
    ['left', 'right', 'right', 'right', 'right'],
    rows.map(({ name, bits, relativeRmse, sqnr, peak }) => [
      code(name),
      short(bits),
      relativeRmse.toPrecision(4),
      sqnr.toFixed(2),
      peak.toPrecision(4),
    ]),
  );
}

const SHIFT_BITS = [4, 6, 8];
const SHIFT_GROUPS = [2, 4, 8];

/**
 * ShiftQuant against the bound on each source. Channels are the columns of the matrices [outputs, the rest]. Objectives
 * and squared errors are added up over the tensors of a source; `worst` is the ratio of the worst tensor.
 */
export function shiftTable(sources) {
  const rows = sources.flatMap(({ short: name, tensors }) => {
    const data = tensors.map(({ name: title, shape, data: values }) => ({
      name: title,
      values,
      rows: shape[0],
      cols: values.length / shape[0],
    }));
    const lines = shiftDistanceTable(data, SHIFT_BITS, SHIFT_GROUPS);
    return SHIFT_BITS.flatMap((bits) =>
      SHIFT_GROUPS.map((groups) => {
        const own = lines.filter((line) => line.bits === bits && line.groups === groups);
        const elements = new Map(data.map((matrix) => [matrix.name, matrix.values.length]));
        const total = (field) =>
          own.reduce(
            (sum, line) => sum + line[field] * (field.endsWith('Error') ? elements.get(line.name) : 1),
            0,
          );
        return [
          name,
          String(bits),
          String(groups),
          (total('shift') / total('optimal')).toFixed(3),
          Math.max(...own.map(({ ratio }) => ratio)).toFixed(3),
          (total('shiftError') / total('optimalError')).toFixed(3),
          (total('shiftError') / total('tensorError')).toFixed(3),
        ];
      }),
    );
  });
  return table(
    [
      'data',
      'bits',
      'groups',
      'objective / bound',
      'of the worst tensor',
      'error / error at the bound',
      'error / error of one scale',
    ],
    ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    rows,
  );
}
