/**
 * Access patterns by name: which address request `i` goes to, and whether it writes. The formulas are those of the
 * published comparison, so that figures of other simulators can stand beside ours.
 */
import { BitloomError } from '@bitloom/ir';
import type { AddressMap } from './address-map.js';
import { splitmixLow } from './splitmix.js';

export interface AccessPattern {
  readonly name: string;
  /** Byte address of request i. */
  address(i: number): number;
  isWrite(i: number): boolean;
  /** Of patterns that time one dependent request after the other. */
  readonly dependent?: DependentReads;
}

export interface DependentReads {
  /** Clocks of rest after a read has returned. */
  readonly restClocks: number;
  /** Requests at the start that only set the scene and are not timed. */
  readonly unmeasured: number;
  /** Requests there are at most: a bank is closed once only. */
  readonly most: number;
}

/** Strides and blocks wrap at 1 GiB; streams lie 256 MiB apart. */
const RANGE = 2 ** 30;
const STREAM = 2 ** 28;
/** Moves the streams of `other_bank` by more than a row, a bank group and a bank. */
const STREAM_SKEW = 36864;
/** Addresses of more streams would not stay safe integers for long. */
const MOST_STREAMS = 65536;
/** Clocks of rest between the reads of latency patterns. */
const REST = 40;

interface PatternFamily {
  /** The name, with a letter for its parameter. */
  readonly spelled: string;
  readonly make: (bytes: number, parameter: number, map: AddressMap) => Omit<AccessPattern, 'name'>;
  /** Whether the parameter is a block of whole requests that divides the range. */
  readonly isBlock?: boolean;
  /** Largest parameter; default: the range. */
  readonly most?: number;
}

const reads = (): boolean => false;

const FAMILIES: readonly PatternFamily[] = [
  { spelled: 'sequential', make: (bytes) => ({ address: (i) => i * bytes, isWrite: reads }) },
  {
    spelled: 'stride_S',
    make: (bytes, stride) => ({
      address: (i) => ((i * stride) % RANGE) + Math.floor((i * stride) / RANGE) * bytes,
      isWrite: reads,
    }),
  },
  {
    spelled: 'random',
    make: (bytes) => ({ address: (i) => (splitmixLow(i) % (RANGE / bytes)) * bytes, isWrite: reads }),
  },
  {
    spelled: 'random_block_B',
    isBlock: true,
    make: (bytes, block) => ({
      address: (i) => {
        const at = i * bytes;
        return (splitmixLow(Math.floor(at / block)) % (RANGE / block)) * block + (at % block);
      },
      isWrite: reads,
    }),
  },
  {
    spelled: 'streams_K_same_bank',
    most: MOST_STREAMS,
    make: (bytes, streams) => ({
      address: (i) => (i % streams) * STREAM + Math.floor(i / streams) * bytes,
      isWrite: reads,
    }),
  },
  {
    spelled: 'streams_K_other_bank',
    most: MOST_STREAMS,
    make: (bytes, streams) => ({
      address: (i) => (i % streams) * (STREAM + STREAM_SKEW) + Math.floor(i / streams) * bytes,
      isWrite: reads,
    }),
  },
  {
    spelled: 'sequential_rw_80_20',
    make: (bytes) => ({ address: (i) => i * bytes, isWrite: (i) => i % 5 === 4 }),
  },
  {
    spelled: 'sequential_rw_50_50_4096',
    make: (bytes) => ({
      address: (i) => i * bytes,
      isWrite: (i) => Math.floor((i * bytes) / 4096) % 2 === 1,
    }),
  },
  {
    spelled: 'latency_row_closed',
    make: (_bytes, _none, map) => ({
      address: (i) => map.bankAddress(i),
      isWrite: reads,
      dependent: { restClocks: REST, unmeasured: 0, most: map.banks },
    }),
  },
  {
    spelled: 'latency_row_hit',
    make: (_bytes, _none, map) => ({
      address: (i) => (i % 2) * map.columnStride,
      isWrite: reads,
      dependent: { restClocks: REST, unmeasured: 1, most: Number.POSITIVE_INFINITY },
    }),
  },
  {
    spelled: 'latency_row_conflict',
    make: (_bytes, _none, map) => ({
      address: (i) => (i % 2) * map.rowStride,
      isWrite: reads,
      dependent: { restClocks: REST, unmeasured: 1, most: Number.POSITIVE_INFINITY },
    }),
  },
  {
    spelled: 'latency_row_conflict_back_to_back',
    make: (_bytes, _none, map) => ({
      address: (i) => (i % 2) * map.rowStride,
      isWrite: reads,
      dependent: { restClocks: 0, unmeasured: 2, most: Number.POSITIVE_INFINITY },
    }),
  },
];

/** How patterns are spelled: S a stride, B a block, both in bytes, K a number of streams. */
export const ACCESS_PATTERNS: readonly string[] = FAMILIES.map(({ spelled }) => spelled);

/**
 * A pattern by name, on a channel.
 * @param bytes bytes of a request
 * @throws BitloomError `dram-pattern`
 */
export function accessPattern(name: string, bytes: number, map: AddressMap): AccessPattern {
  for (const family of FAMILIES) {
    const found = new RegExp(`^${family.spelled.replace(/[SBK](?=_|$)/, '(\\d+)')}$`).exec(name);
    if (found === null) continue;
    const parameter = found[1] === undefined ? 1 : Number(found[1]);
    const isWhole = !family.isBlock || (parameter % bytes === 0 && RANGE % parameter === 0);
    const { most = RANGE } = family;
    if (parameter >= 1 && parameter <= most && isWhole)
      return { name, ...family.make(bytes, parameter, map) };
    throw new BitloomError({
      code: 'dram-pattern',
      message: `access pattern '${name}' has a parameter out of range`,
      expected: family.isBlock ? `a power of two from ${bytes} to ${RANGE}` : `an integer from 1 to ${most}`,
      got: String(parameter),
    });
  }
  throw new BitloomError({
    code: 'dram-pattern',
    message: `there is no access pattern '${name}'`,
    expected: ACCESS_PATTERNS.join(', '),
    got: name,
    hint: 'S is a stride and B a block in bytes, K a number of streams: stride_4096, random_block_4096',
  });
}
