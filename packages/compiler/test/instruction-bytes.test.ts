/** Bytes of instructions: what is counted without storing against streams that are really emitted and encoded. */
import { CARDS, coresOf, encodeStream, evaluate, type Program, symbolsOf } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cardWith, HARD_CARDS } from '../../../test/support/small-cards.js';
import { compile, ExactLengths, exactInstructions, instructionBytes, programBytes } from '../src/index.js';
import { LLAMA2_7B, quantizedLlama, STORIES } from './support/quantized-llama.js';
import { quantizedOpt } from './support/quantized-opt.js';

const SMALL = { layers: 2, width: 60, ffn: 172, heads: 6, vocab: 50, context: 90 } as const;

interface Lengths {
  readonly seq: number;
  readonly past: number;
}
type Stream = Program['entries'][number]['streams'][number];

/** Instructions outside of loops, and whole loops. */
function topBlocks({ instructions }: Stream): Stream['instructions'][] {
  const blocks: Stream['instructions'][number][][] = [];
  let depth = 0;
  for (const instruction of instructions) {
    if (depth === 0) blocks.push([]);
    blocks[blocks.length - 1].push(instruction);
    if (instruction.name === 'LOOP') depth++;
    if (instruction.name === 'END') depth--;
  }
  return blocks;
}

/** Instructions of the blocks that make the same at a number of lengths. */
function commonInstructions(stream: Stream, isDecode: boolean): Stream['instructions'] {
  const points = [1, 2, 16, 17, 33, 40, 64, 90].map((n) =>
    isDecode ? { seq: 1, past: n - 1 } : { seq: n, past: 90 - n },
  );
  return topBlocks(stream)
    .filter((instructions) => {
      const texts = points.map((lengths) =>
        JSON.stringify(
          coresOf(stream).map((core) => [...exactInstructions({ ...stream, instructions }, lengths, core)]),
        ),
      );
      return texts.every((text) => text === texts[0]);
    })
    .flat();
}
const commonOf = new Map<Stream, Stream['instructions']>();

function encodedBytes(
  program: Program,
  entry: Program['entries'][number],
  lengths: Lengths,
): { own: number; shared: number; common: number } {
  const sum = { own: 0, shared: 0, common: 0 };
  for (const stream of entry.streams) {
    const bytesOf = (instructions: Stream['instructions']): number[] =>
      coresOf(stream).map((core) => {
        const { code, expressions } = encodeStream([
          ...exactInstructions({ ...stream, instructions }, lengths, core),
        ]);
        expect(expressions.byteLength).toBe(0);
        return code.byteLength;
      });
    const sizes = bytesOf(stream.instructions);
    sum.own += sizes.reduce((all, size) => all + size, 0);
    sum.shared += Math.max(...sizes);
    const common = commonOf.get(stream) ?? commonInstructions(stream, entry.name === 'decode');
    commonOf.set(stream, common);
    sum.common += Math.max(...bytesOf(common));
  }
  expect(program.entries).toContain(entry);
  return sum;
}

const THREE_CORES = cardWith('three-cores', { cores: 3, buffers: { weights: 4096 } });
/** More than there is work for: some of them count alike. */
const NINE_CORES = cardWith('nine-cores', { cores: 9 });

describe.each(
  [CARDS[0], HARD_CARDS[1], THREE_CORES, NINE_CORES].map((device) => [device.name, device] as const),
)('on %s', (_name, device) => {
  const programs = [
    compile(quantizedLlama({ ...SMALL, kvHeads: 2, bits: 4 }), device, { maxChunk: 16 }),
    compile(quantizedOpt({ ...SMALL, bits: 8 }), device, {
      maxChunk: 5,
      entries: ['prefill', 'decode', 'forward'],
    }),
  ];

  it('a count equals the stream in full, at 16 seeded lengths and at the ends', () => {
    for (const program of programs) {
      for (const entry of program.entries) {
        const exact = new ExactLengths(entry);
        const isDecode = entry.name === 'decode';
        const lengths = fc
          .sample(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.nat(89)), { seed: 7, numRuns: 16 })
          .map(([seq, past]) => (isDecode ? { seq: 1, past } : { seq: Math.min(seq, 90 - past), past }));
        const ends = isDecode
          ? [
              { seq: 1, past: 0 },
              { seq: 1, past: 89 },
            ]
          : [
              { seq: 1, past: 0 },
              { seq: 90, past: 0 },
              { seq: 1, past: 89 },
            ];
        for (const point of [...lengths, ...ends])
          expect(exact.bytes(point)).toEqual(encodedBytes(program, entry, point));
        // Asking again, in another order, gives the same.
        expect(exact.bytes(ends[0])).toEqual(new ExactLengths(entry).bytes(ends[0]));
      }
    }
  });
});

it('exact streams have no loops and no expressions, and as many instructions as the loops make', () => {
  const program = compile(quantizedLlama({ ...SMALL, kvHeads: 6, bits: 8 }), HARD_CARDS[1]);
  for (const entry of program.entries) {
    const [stream] = entry.streams;
    const lengths = entry.name === 'decode' ? { seq: 1, past: 50 } : { seq: 61, past: 3 };
    const exact = [...exactInstructions(stream, lengths)];
    expect(exact.some(({ name }) => name === 'LOOP' || name === 'END')).toBe(false);
    // Count what the loops ask for, by hand: nesting is at most two.
    let [expected, at] = [0, 0];
    const walk = (bindings: Record<string, number>): number => {
      const start = at;
      let count = 0;
      for (; at < stream.instructions.length; at++) {
        const { name, fields } = stream.instructions[at];
        if (name === 'END') return count;
        if (name !== 'LOOP') {
          count++;
          continue;
        }
        const trips = fields.trips ?? 0;
        if (typeof trips === 'object' && 'space' in trips) throw new Error('trips is an address');
        const known = [...symbolsOf(trips)].every((symbol) => symbol in bindings);
        const times = known ? evaluate(trips, bindings) : 0;
        const body = ++at;
        for (let i = 0; i < times; i++) {
          at = body;
          count += walk({ ...bindings, [`i${Number(fields.variable ?? 0)}`]: i });
        }
        if (times === 0) walk(bindings);
      }
      expect(start).toBe(0);
      return count;
    };
    expected = walk(lengths);
    expect(exact.length).toBe(expected);
  }
});

describe('instructionBytes', () => {
  const program = compile(quantizedLlama({ ...STORIES, layers: 1, context: 40 }), HARD_CARDS[1], {
    entries: ['prefill', 'decode', 'forward'],
  });

  it('sums every length, one per bucket, and the program as it is', () => {
    const seen: number[] = [];
    const { total, unbucketed, bucketed, resolved } = instructionBytes(program, (done) => seen.push(done));
    const size = (entry: Program['entries'][number]): number => {
      const { code, expressions } = encodeStream(entry.streams[0].instructions);
      return code.byteLength + expressions.byteLength;
    };
    const [prefill, decode, forward] = program.entries;
    expect(resolved).toBe(size(prefill) + size(decode));
    expect(total).toBe(resolved + size(forward));
    expect(programBytes(program)).toBe(total);
    type Size = ReturnType<typeof encodedBytes>;
    const sum = (kind: keyof Size, sizes: readonly Size[]): number =>
      sizes.reduce((total, size) => total + size[kind], 0);
    // What programs have in common stands once, and each has a list of its pieces, 8 bytes a piece.
    const together = (entry: Program['entries'][number], sizes: readonly Size[]): number => {
      const lists = 8 * sizes.length * new ExactLengths(entry).pieces;
      return sum('shared', sizes) - sum('common', sizes) + sizes[0].common + lists;
    };
    const prefills = (lengths: readonly number[]) =>
      lengths.map((n) => encodedBytes(program, prefill, { seq: n, past: 0 }));
    const decodes = (lengths: readonly number[]) =>
      lengths.map((n) => encodedBytes(program, decode, { seq: 1, past: n - 1 }));
    const everyLength = Array.from({ length: 40 }, (_, i) => i + 1);
    // Every length for each core, buckets for all cores together.
    expect(unbucketed).toBe(sum('own', prefills(everyLength)) + sum('own', decodes(everyLength)));
    // Decode in buckets of 16 tokens, prefill in one of 128 that the context cuts short.
    expect(bucketed).toBe(together(prefill, prefills([40])) + together(decode, decodes([16, 32, 40])));
    expect(sum('common', decodes([40]))).toBeGreaterThan(0.5 * sum('shared', decodes([40])));
    expect(bucketed).toBeLessThan(unbucketed);
  });

  it('counts the published shape in a moment', () => {
    const large = compile(quantizedLlama(LLAMA2_7B), CARDS[0], { capacity: 2048 });
    const progress: [number, number][] = [];
    const bytes = instructionBytes(large, (done, total) => progress.push([done, total]));
    expect(bytes.resolved).toBeLessThan(2e6);
    expect(bytes.bucketed).toBeGreaterThan(100 * bytes.resolved);
    expect(bytes.unbucketed).toBeGreaterThan(100 * bytes.bucketed);
    expect(progress.at(-1)).toEqual([4096, 4096]);
  });
});
