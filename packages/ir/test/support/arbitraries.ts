/**
 * Random contract values for property tests: expressions, addresses and instructions over the whole table.
 */
import fc from 'fast-check';
import {
  type Address,
  type Expression,
  type FieldSpec,
  type FieldValue,
  INSTRUCTION_SET,
  type Instruction,
  type InstructionSpec,
  QUEUES,
  SPACES,
} from '../../src/index.js';

const symbolName = fc.constantFrom('seq', 'past', 'batch', 'i0', 'i1', 'past[3]', 'länge');
const anyInteger = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -100, max: 100 }));
const divisor = fc.oneof(
  fc.integer({ min: 1, max: 64 }),
  fc.maxSafeNat().filter((n) => n > 0),
);

/** Any expression, not only those the builders would make. */
export const expression: fc.Arbitrary<Expression> = fc.letrec<{ node: Expression }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    anyInteger.filter((n) => !Object.is(n, -0)),
    symbolName.map((sym) => ({ sym })),
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }).map((add) => ({ add })),
    fc
      .tuple(
        anyInteger.filter((n) => !Object.is(n, -0)),
        tie('node'),
      )
      .map((mul) => ({ mul })),
    fc.tuple(tie('node'), divisor).map((floorDiv) => ({ floorDiv })),
    fc
      .tuple(
        tie('node'),
        fc.array(
          anyInteger.filter((n) => !Object.is(n, -0)),
          { minLength: 1, maxLength: 20 },
        ),
      )
      .map((lookup) => ({ lookup })),
    fc.tuple(tie('node'), divisor).map((ceilDiv) => ({ ceilDiv })),
    fc.tuple(tie('node'), divisor).map((mod) => ({ mod })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((min) => ({ min })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((max) => ({ max })),
  ),
})).node;

/** An expression that is not a plain number: what the pool holds. */
const dynamicExpression = expression.filter((value) => typeof value !== 'number');

function unsigned(bits: number): fc.Arbitrary<number> {
  return bits <= 31
    ? fc.integer({ min: 0, max: 2 ** bits - 1 })
    : fc.oneof(fc.maxSafeNat(), fc.constant(2 ** bits - 1)).map((n) => n % 2 ** bits);
}

export const address: fc.Arbitrary<Address> = fc.record({
  space: fc.constantFrom(...SPACES),
  channel: unsigned(8),
  register: unsigned(7),
  page: fc.boolean(),
  offset: fc.oneof(unsigned(44), dynamicExpression),
});

function fieldValue(field: FieldSpec): fc.Arbitrary<FieldValue> {
  if (field.kind === 'address') return address;
  if (field.kind === 'float32') return fc.float({ noNaN: true, noDefaultInfinity: true });
  if (field.kind === 'enum') return fc.integer({ min: 0, max: (field.values?.length ?? 1) - 1 });
  const number =
    field.kind === 'int' ? unsigned(field.bits).map((n) => n - 2 ** (field.bits - 1)) : unsigned(field.bits);
  return field.dynamic ? fc.oneof(number, dynamicExpression) : number;
}

function present(fields: Partial<Record<string, FieldValue>>): Record<string, FieldValue> {
  const out: Record<string, FieldValue> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) out[name] = value;
  return out;
}

function instructionOf(spec: InstructionSpec): fc.Arbitrary<Instruction> {
  const values = Object.fromEntries(spec.fields.map((field) => [field.name, fieldValue(field)]));
  return fc.record({
    name: fc.constant(spec.name),
    queue: fc.constantFrom(...spec.queues),
    wait: fc.subarray([...QUEUES]),
    release: fc.subarray([...QUEUES]),
    fields: fc.record<Record<string, FieldValue>, string>(values, { requiredKeys: [] }).map(present),
    origin: unsigned(32),
  });
}

/** Any valid instruction, every opcode equally often. */
export const instruction: fc.Arbitrary<Instruction> = fc.oneof(
  ...[...INSTRUCTION_SET.values()].map(instructionOf),
);

/** What a stream keeps of an instruction: number fields of value zero are the same as absent ones. */
export function normalized(value: Instruction): Instruction {
  const fields = Object.entries(value.fields).filter(
    ([, field]) => !Object.is(field, 0) && field !== undefined,
  );
  return { ...value, fields: Object.fromEntries(fields) };
}
