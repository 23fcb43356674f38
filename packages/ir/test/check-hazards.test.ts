/** Rule (d) of the program verifier: accesses to the same bytes are ordered by tokens. */
import { describe, expect, it } from 'vitest';
import { add, type Instruction, multiply } from '../src/index.js';
import { failure, i0, pipeline, place, verified } from './support/pipeline-program.js';
import {
  at,
  copy,
  copyRows,
  halt,
  instruction,
  load,
  loop,
  type ProgramParts,
  store,
  sync,
} from './support/tiny-program.js';

describe('rule d: hazards', () => {
  const hazard = (instructions: readonly Instruction[], parts?: ProgramParts) => {
    const error = failure(instructions, parts);
    expect(error.code).toBe('program-hazard');
    return error;
  };

  it('refuses a ring without credits enough to hold the producer back', () => {
    // Three credits for two slots: the load of iteration 2 may overwrite what iteration 0 still reads.
    const list = pipeline();
    list[0] = sync('vector', { release: ['load'] }, 3);
    list[7] = sync('load', { wait: ['vector'] }, 3);
    const error = hazard(list);
    expect(error.message).toContain(
      "buffer region is overwritten while a reader may still need it: buffer 'data', bytes 0..256",
    );
    expect(error.where).toContain(place(3));
    expect(error.expected).toContain(`a chain of tokens from ${place(4)}`);
    expect(error.got).toMatch(/none at seq=\d+, i0=2/);
  });

  it('refuses a reader that does not wait for its writer', () => {
    const list = [load(at('hbm', 0), at('data', 0), 64), copy(at('data', 32), at('data', 1024), 64), halt()];
    expect(hazard(list).message).toContain("writer may still be at work: buffer 'data', bytes 32..64");
  });

  it('refuses two writers in no order', () => {
    const list = [load(at('hbm', 0), at('data', 0), 64), copy(at('data', 512), at('data', 48), 64), halt()];
    expect(hazard(list).message).toContain("in no certain order: buffer 'data', bytes 48..64");
  });

  it('sees the first and the last iteration of long loops', () => {
    // Only the last iteration, where the tail is short, reaches into the constants behind the slots.
    const late = copy(at('data', add(2048, multiply(4, i0))), at('data', 4096), 4);
    const list = [load(at('hbm', 0), at('data', 2048 + 4 * 999), 4), ...loop(0, 1000, [late]), halt()];
    expect(hazard(list).got).toBe('none at seq=0, i0=999');
  });

  it('takes a chain over a third queue as order', () => {
    const chain = (isWhole: boolean): Instruction[] => [
      load(at('hbm', 0), at('data', 0), 64, { release: ['vector'] }),
      copy(at('data', 512), at('data', 1024), 64, { wait: ['load'], release: isWhole ? ['store'] : [] }),
      store(at('data', 0), at('hbm', 16_384), 64, { wait: isWhole ? ['vector'] : [] }),
      halt(),
    ];
    expect(verified(chain(true)).executed).toBe(4);
    hazard(chain(false));
  });

  it('takes a barrier as order', () => {
    const list = (barrier: Instruction[]): Instruction[] => [
      load(at('hbm', 0), at('data', 0), 64),
      ...barrier,
      copy(at('data', 0), at('data', 1024), 64),
      halt(),
    ];
    expect(verified(list([instruction('BARRIER', 'system')])).executed).toBe(4);
    hazard(list([]));
  });

  it('orders accesses of one queue by itself', () => {
    const list = [copy(at('data', 0), at('data', 64), 64), copy(at('data', 64), at('data', 0), 64), halt()];
    expect(verified(list).executed).toBe(3);
  });

  it('knows the gaps of strides', () => {
    const columns = (offset: number, dst: number) =>
      copyRows(at('data', offset), at('data', dst), { rows: 8, cols: 4, srcRow: 64, dstRow: 16 });
    const rows = (dst: number) =>
      instruction('LD', 'load', {
        src: at('hbm', 0),
        dst: at('data', dst),
        length: 16,
        count1: 8,
        srcStride1: 16,
        dstStride1: 64,
        count2: 1,
      });
    // Column 1 is loaded while column 0 is read; then the same column.
    expect(verified([columns(0, 1024), rows(16), halt()]).executed).toBe(3);
    hazard([columns(0, 1024), rows(12), halt()]);
  });

  it('remembers a strided writer under another strided writer', () => {
    const column = (queueDst: number) =>
      instruction('LD', 'load', {
        src: at('hbm', 0),
        dst: at('data', queueDst),
        length: 16,
        count1: 8,
        dstStride1: 64,
        count2: 1,
      });
    const other = copyRows(
      at('data', 4096),
      at('data', 16),
      { rows: 8, cols: 4, dstRow: 64 },
      { release: ['store'] },
    );
    const list = [
      column(0),
      other,
      store(at('data', 0), at('hbm', 16_384), 512, { wait: ['vector'] }),
      halt(),
    ];
    const error = hazard(list);
    expect(error.expected).toContain(place(0));
  });

  it('finds clashes in memory, and none in what nothing writes', () => {
    const write = store(at('data', 0), at('hbm', 64), 64);
    const read = load(at('hbm', 0), at('data', 1024), 128);
    expect(hazard([write, read, halt()]).message).toContain("region 'in'");
    const fetch: Instruction = { ...read, queue: 'fetch', fields: { ...read.fields, dst: at('data', 2048) } };
    expect(verified([read, fetch, halt()]).comparisons).toBe(0);
  });

  it('takes pages of one table as the same pages', () => {
    const registers = [{ index: 3, name: 'kv', doc: '', pageTable: { pageBytes: 4096, entries: 4 } }];
    const page = (offset: number) => at('hbm', offset, { register: 3, page: true });
    const list = (offset: number) => [
      store(at('data', 0), page(0), 64),
      load(page(offset), at('data', 64), 64),
      halt(),
    ];
    expect(verified(list(64), { registers }).executed).toBe(3);
    hazard(list(63), { registers });
  });

  it('sees an overwritten part of an older access apart from the rest', () => {
    // The middle of the loaded bytes is written again by `vector` after a token; the store knows of that only.
    const list = [
      load(at('hbm', 0), at('data', 0), 192, { release: ['vector'] }),
      copy(at('data', 512), at('data', 64), 64, { wait: ['load'], release: ['store'] }),
      store(at('data', 0), at('hbm', 16_384), 192, { wait: ['vector'] }),
      halt(),
    ];
    expect(verified(list).executed).toBe(4);
    const direct = list.with(1, { ...list[1], wait: [] }).with(0, { ...list[0], release: [] });
    hazard(direct);
  });
});
