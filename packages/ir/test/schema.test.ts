import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CARDS } from '../src/index.js';
import {
  deviceSchema,
  expressionSchema,
  jsonSchemas,
  modelSchema,
  parseDevice,
  parseModel,
  parseProgram,
  parseReport,
  parseTrace,
  programSchema,
  reportSchema,
  traceSchema,
} from '../src/schema.js';
import { expression } from './support/arbitraries.js';
import { clusterProgram, tinyDevice, tinyReport, tinyTrace, trainingModel } from './support/artefacts.js';
import { errorOf } from './support/errors.js';

const samples: [string, (value: unknown) => unknown, object][] = [
  ['model', parseModel, trainingModel().model],
  ['program', parseProgram, clusterProgram()],
  ['device', parseDevice, tinyDevice()],
  ['report', parseReport, tinyReport()],
  ['trace', parseTrace, tinyTrace()],
];

/** Every path to a value inside of plain data. */
function paths(value: unknown, at: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...at, key]))];
}

/** A copy with the value at a path replaced. */
function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  if (path.length === 0) return by;
  const [key, ...rest] = path;
  if (Array.isArray(value))
    return value.map((inner, i) => (i === Number(key) ? replaced(inner, rest, by) : inner));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === key ? replaced(inner, rest, by) : inner]),
  );
}

describe.each(samples)('%s', (kind, parse, sample) => {
  test('is valid, and comes out as it went in', () => {
    expect(parse(sample)).toEqual(sample);
  });

  test('as JSON is valid too', () => {
    // Typed arrays are no JSON; the other four artefacts are.
    if (kind !== 'trace') expect(parse(JSON.parse(JSON.stringify(sample)))).toEqual(sample);
  });

  test('ignores fields it does not know', () => {
    expect(parse({ ...sample, addedLater: { x: [1] } })).toEqual(sample);
  });

  test('refuses every other kind', () => {
    for (const [other, , value] of samples) {
      if (other === kind) continue;
      const error = errorOf(() => parse(value));
      expect(error.code).toBe('artefact-invalid');
      expect(error.message).toContain('kind');
    }
  });

  test('refuses a value of another type anywhere', () => {
    // No field of any artefact is a bare date, so this value is wrong at every path but inside of free data.
    const wrong = new Date(0);
    const free = /^text\.tokenizer\.|^metadata\b/;
    for (const path of paths(sample)) {
      if (path.length === 0 || free.test(path.join('.'))) continue;
      expect(() => parse(replaced(sample, path, wrong)), path.join('.')).toThrow();
    }
  });

  test('refuses numbers that are not finite anywhere', () => {
    for (const path of paths(sample)) {
      const found = path.reduce<unknown>((inner, key) => Object(inner)[key], sample);
      if (typeof found !== 'number') continue;
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => parse(replaced(sample, path, wrong)), path.join('.')).toThrow();
      }
    }
  });

  test('refuses what is no object at all', () => {
    for (const value of [null, undefined, 7, 'text', [], new Map()]) {
      expect(errorOf(() => parse(value)).code).toBe('artefact-invalid');
    }
  });
});

describe('errors', () => {
  test('say where, and what is wrong, of several things at once', () => {
    const error = errorOf(() =>
      parseDevice({ ...tinyDevice(), cores: 1.5, clockHz: -1, name: '' }, 'card.json'),
    );
    expect(error.where).toBe('card.json');
    expect(error.got).toMatch(/name: .*; clockHz: .*; cores: .*expected int/);
  });

  test('of a value of many forms name the form that was meant', () => {
    const { model } = trainingModel();
    const [first, ...rest] = model.constants;
    const broken = { ...first, type: { ...first.type, shape: [{ mul: [2, { sym: 7 }] }] } };
    const error = errorOf(() => parseModel({ ...model, constants: [broken, ...rest] }));
    expect(error.got).toMatch(/^constants\.0\.type\.shape\.0\.mul\.1/);
  });

  test('are cut short when there are many', () => {
    const error = errorOf(() => parseDevice({ kind: 'device' }));
    expect(error.got).toMatch(/; \d+ more$/);
  });
});

describe('ranges', () => {
  const device = tinyDevice();
  test.each<[string, () => unknown]>([
    ['cores', () => parseDevice({ ...device, cores: 2 ** 53 })],
    ['channels', () => parseDevice({ ...device, memories: [{ ...device.memories[0], channels: 256 }] })],
    ['efficiency', () => parseDevice({ ...device, memories: [{ ...device.memories[0], efficiency: 1.01 }] })],
    ['time divisor', () => parseDevice({ ...device, calibration: { timeDivisor: 0, fitted: [] } })],
    [
      'bits of a format',
      () => parseModel(replaced(trainingModel().model, ['constants', 0, 'type', 'element', 'bits'], 65)),
    ],
    ['a name without end', () => parseModel({ ...trainingModel().model, name: 'x'.repeat(513) })],
    [
      'a tokenizer that is no data',
      () => parseModel({ ...trainingModel().model, text: { eosIds: [], tokenizer: { at: new Date(0) } } }),
    ],
    ['stalls', () => parseReport(replaced(tinyReport(), ['units', 0, 'stall', 'token'], -1))],
    ['cycles', () => parseReport(replaced(tinyReport(), ['phases', 0, 'cycles'], 10.5))],
    [
      'masks',
      () =>
        parseProgram(
          replaced(clusterProgram(), ['entries', 0, 'streams', 0, 'instructions', 2, 'release', 0], 'dma'),
        ),
    ],
    ['hash', () => parseProgram({ ...clusterProgram(), deviceHash: 'AB'.repeat(32) })],
  ])('%s', (_title, run) => {
    expect(errorOf(run).code).toBe('artefact-invalid');
  });
});

describe('a device', () => {
  test.each([
    'dispatcher.queueDepth',
    'dispatcher.cyclesPerInstruction',
    'dispatcher.cyclesPerOperation',
    'dispatcher.cyclesPerIteration',
    'dispatcher.loopDepth',
    'dispatcher.loopBufferInstructions',
    'matrix.mm.startupCycles',
    'matrix.mv.startupCycles',
    'vector.startupCycles',
    'tokens.counterBits',
    'tokens.initialCredits.matrix>load',
  ])('has %s in whole numbers, none below zero', (field) => {
    const path = field.split('.');
    for (const wrong of [0.5, 1.5, -1]) {
      const error = errorOf(() => parseDevice(replaced(tinyDevice(), path, wrong)));
      expect(error.code).toBe('artefact-invalid');
      expect(error.got).toContain(`${field}: `);
    }
    const right = replaced(tinyDevice(), path, 7);
    expect(parseDevice(right)).toEqual(right);
  });

  test('has a time divisor that may be a fraction, and cards of ours are valid', () => {
    const device = replaced(tinyDevice(), ['calibration', 'timeDivisor'], 1.25);
    expect(parseDevice(device)).toEqual(device);
    for (const card of CARDS) expect(parseDevice(card)).toEqual(card);
    // Nothing of what a card costs stands without a source.
    for (const { energy } of CARDS) {
      expect(Object.keys(energy.sources).sort()).toEqual(
        ['product', 'vectorElement', 'static', ...Object.keys(energy.bytePicojoules)].sort(),
      );
    }
  });
});

describe('records', () => {
  test('are sorted, at every level of free data', () => {
    const { text } = parseModel(trainingModel().model);
    expect(Object.keys(text?.tokenizer ?? {})).toEqual(['kind', 'nested', 'scores', 'vocabulary']);
    expect(JSON.stringify(text?.tokenizer?.vocabulary)).toBe('{"a":0,"b":1,"constructor":2}');
  });

  test('never reach a prototype', () => {
    const hostile = JSON.parse(JSON.stringify(tinyDevice()).replace('"matrix>load":2', '"__proto__":2'));
    const parsed = parseDevice(hostile);
    expect(Object.keys(parsed.tokens.initialCredits)).toEqual([]);
    expect(Object.getPrototypeOf(parsed.tokens.initialCredits)).toBe(Object.prototype);
    const model = JSON.parse('{"eosIds":[],"tokenizer":{"a":{"__proto__":{"polluted":1}}}}');
    expect(errorOf(() => parseModel({ ...trainingModel().model, text: model })).got).toMatch(/__proto__/);
    expect('polluted' in {}).toBe(false);
  });
});

describe('expressions', () => {
  test('any expression is valid', () => {
    fc.assert(
      fc.property(expression, (value) => {
        expect(expressionSchema.parse(value)).toEqual(value);
      }),
    );
  });

  test.each<[string, unknown]>([
    ['a fraction', 0.5],
    ['a number that is not safe', 2 ** 53],
    ['text', 'past'],
    ['no operator', {}],
    ['an unknown operator', { xor: [1, 2] }],
    ['two operators', { add: [1], mul: [2, 3] }],
    ['an empty sum', { add: [] }],
    ['an empty name', { sym: '' }],
    ['a divisor of zero', { mod: [{ sym: 'a' }, 0] }],
    ['a negative divisor', { floorDiv: [1, -2] }],
    ['a divisor that is an expression', { ceilDiv: [1, { sym: 'a' }] }],
    ['a factor on the wrong side', { mul: [{ sym: 'a' }, 2] }],
    ['too many operands', { add: Array.from({ length: 257 }, () => 1) }],
  ])('%s is not', (_title, value) => {
    expect(expressionSchema.safeParse(value).success).toBe(false);
  });

  test('nesting is bounded before it is followed', () => {
    const nested = (depth: number) => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = { add: [value] };
      return value;
    };
    expect(expressionSchema.safeParse(nested(32)).success).toBe(true);
    expect(expressionSchema.safeParse(nested(33)).error?.issues[0].message).toMatch(/at most 32/);
    expect(expressionSchema.safeParse(nested(100_000)).success).toBe(false);
  });
});

test('the cards that come with the package are valid devices', () => {
  for (const card of CARDS) expect(parseDevice(card)).toEqual(card);
});

test('schemas are exported as zod schemas', () => {
  const all = {
    model: modelSchema,
    program: programSchema,
    device: deviceSchema,
    report: reportSchema,
    trace: traceSchema,
  };
  for (const [kind, , sample] of samples) {
    expect(all[kind as keyof typeof all].safeParse(sample).success).toBe(true);
  }
});

test('every reference of a JSON Schema leads somewhere', () => {
  for (const [kind, schema] of Object.entries(jsonSchemas())) {
    const text = JSON.stringify(schema);
    const targets = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]));
    for (const target of targets) {
      const found = target
        .slice(2)
        .split('/')
        .reduce<unknown>((value, key) => Object(value)[key], schema);
      expect(found, `${kind} ${target}`).toBeTypeOf('object');
    }
  }
});
