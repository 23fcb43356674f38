import { decode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bytesSource,
  CHUNK_BYTES,
  CONTAINER_VERSION,
  type ContainerContent,
  crc32c,
  encodeContainer,
  hashContainer,
  type RangeSource,
  readContainer,
  SECTION_ALIGNMENT,
  sectionOf,
  writeContainerTo,
} from '../src/container.js';
import { contentHash, memorySections } from '../src/index.js';
import { entry, headerContainer, rawContainer } from './support/containers.js';
import { errorOf, survives } from './support/errors.js';

const open = (bytes: Uint8Array) => readContainer(bytesSource(bytes, 'file.bitloom'));
const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >>> 8)) & 255);
/** Element by element, `toEqual` takes seconds on megabytes. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const content = (changes: Partial<ContainerContent> = {}): ContainerContent => ({
  kind: 'model',
  header: { kind: 'model', name: 'tiny', list: [1, -2, 2.5, null, true] },
  sections: [
    sectionOf('a', pattern(5000, 1)),
    sectionOf('empty', new Uint8Array(0)),
    sectionOf('b', pattern(100, 2)),
  ],
  ...changes,
});

describe('crc32c', () => {
  test('matches the published check values', () => {
    // RFC 3720, B.4, and the usual check string.
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  test('goes on from a seed, at any split and alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(7), (bytes, split, shift) => {
        const moved = new Uint8Array(bytes.byteLength + shift).subarray(shift);
        moved.set(bytes);
        const [a, b] = [moved.subarray(0, split), moved.subarray(split)];
        expect(crc32c(b, crc32c(a))).toBe(crc32c(bytes));
      }),
    );
  });
});

describe('a container', () => {
  test('comes back', () => {
    const back = open(encodeContainer(content()));
    expect(back.version).toEqual(CONTAINER_VERSION);
    expect(back.kind).toBe('model');
    expect(back.header).toEqual(content().header);
    expect(back.entries.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ['a', 5000],
      ['empty', 0],
      ['b', 100],
    ]);
    expect(back.sections.read('a')).toEqual(pattern(5000, 1));
    expect(back.sections.read('empty')).toEqual(new Uint8Array(0));
    expect(back.sections.read('b', 90)).toEqual(pattern(100, 2).subarray(90));
    expect(back.sections.read('a', 10, 5)).toEqual(pattern(5000, 1).subarray(10, 15));
    expect(back.sections.has('a') && !back.sections.has('c')).toBe(true);
    expect(back.sections.byteLength('b')).toBe(100);
  });

  test('has aligned sections and nothing behind the last', () => {
    const bytes = encodeContainer(content());
    const filled = open(bytes).entries.filter((section) => section.byteLength > 0);
    for (const { offset } of filled) expect(offset % SECTION_ALIGNMENT).toBe(0);
    const last = filled[filled.length - 1];
    expect(bytes.byteLength).toBe(last.offset + last.byteLength);
  });

  test('has a header that any msgpack reader reads', () => {
    const bytes = encodeContainer(content());
    const length = Number(new DataView(bytes.buffer).getBigUint64(16, true));
    const header = decode(bytes.subarray(32, 32 + length), { useBigInt64: true });
    expect(header).toMatchObject({
      artefact: content().header,
      sections: [{ name: 'a', length: 5000n }, {}, {}],
    });
  });

  test('is the same bytes for the same content, however the pieces come', () => {
    const whole = encodeContainer(content());
    fc.assert(
      fc.property(fc.array(fc.nat(5000), { maxLength: 8 }), (cuts) => {
        const bytes = pattern(5000, 1);
        const bounds = [0, ...[...cuts].sort((a, b) => a - b), 5000];
        const pieces = bounds.slice(1).map((end, i) => bytes.subarray(bounds[i], end));
        const [, ...rest] = content().sections;
        const cut = { name: 'a', byteLength: 5000, chunks: () => pieces };
        expect(isSame(encodeContainer(content({ sections: [cut, ...rest] })), whole)).toBe(true);
      }),
    );
  });

  test('leaves out fields without a value and keeps the order of the others', () => {
    const header = { z: 1, gone: undefined, a: { y: undefined, x: 2 } };
    const back = open(encodeContainer(content({ header, sections: [] }))).header;
    expect(JSON.stringify(back)).toBe('{"z":1,"a":{"x":2}}');
  });

  test('keeps any plain data', () => {
    const key = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constant(null),
        fc.boolean(),
        fc.string({ unit: 'grapheme' }),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
        fc.maxSafeInteger().map((n) => n + 0),
        fc.integer().map((n) => n + 0),
        fc.array(tie('value')),
        fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (header) => {
        expect(open(encodeContainer({ kind: 'report', header, sections: [] })).header).toEqual(header);
      }),
      { numRuns: 300 },
    );
  });

  test('has the content hash of its parts', () => {
    const sections = memorySections({ a: pattern(5000, 1), empty: new Uint8Array(0), b: pattern(100, 2) });
    const hash = hashContainer(open(encodeContainer(content())));
    expect(hash).toBe(contentHash(content().header, sections, ['b', 'a', 'empty']));
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('large sections', () => {
  const length = 3 * CHUNK_BYTES + 17;
  const big = pattern(length, 3);
  const bytes = encodeContainer(
    content({ sections: [sectionOf('small', pattern(9, 1)), sectionOf('big', big)] }),
  );
  const { offset } = open(bytes).entries[1];
  const recorded = (): { source: RangeSource; reads: [number, number][] } => {
    const reads: [number, number][] = [];
    const source: RangeSource = {
      name: 'file.bitloom',
      byteLength: bytes.byteLength,
      read: (at, count) => {
        reads.push([at, count]);
        return bytes.subarray(at, at + count);
      },
    };
    return { source, reads };
  };

  test('only the chunks of a range are read, and checked once', () => {
    const { source, reads } = recorded();
    const { sections } = readContainer(source);
    reads.length = 0;
    expect(
      isSame(sections.read('big', CHUNK_BYTES - 3, 6), big.subarray(CHUNK_BYTES - 3, CHUNK_BYTES + 3)),
    ).toBe(true);
    expect(reads).toEqual([[offset, 2 * CHUNK_BYTES]]);
    expect(isSame(sections.read('big', CHUNK_BYTES, 10), big.subarray(CHUNK_BYTES, CHUNK_BYTES + 10))).toBe(
      true,
    );
    expect(reads[1]).toEqual([offset + CHUNK_BYTES, 10]);
    expect(isSame(sections.read('big', length - 1), big.subarray(length - 1))).toBe(true);
    expect(reads[2]).toEqual([offset + 3 * CHUNK_BYTES, 17]);
  });

  test('damage is found where it is, and only there', () => {
    const damaged = bytes.slice();
    damaged[offset + 2 * CHUNK_BYTES + 5] ^= 1;
    const { sections } = open(damaged);
    expect(isSame(sections.read('big', 0, 2 * CHUNK_BYTES), big.subarray(0, 2 * CHUNK_BYTES))).toBe(true);
    expect(isSame(sections.read('big', 3 * CHUNK_BYTES), big.subarray(3 * CHUNK_BYTES))).toBe(true);
    const error = errorOf(() => sections.read('big', 2 * CHUNK_BYTES + 100, 1));
    expect(error.code).toBe('container-checksum');
    expect(error.where).toBe("file.bitloom, section 'big', chunk 2");
    // It fails again: a failed check is not remembered as done.
    expect(errorOf(() => sections.read('big')).code).toBe('container-checksum');
  });

  test('the writer asks for a section once and holds none of it', () => {
    let asked = 0;
    const writes: number[] = [];
    const piece = pattern(1000, 1);
    writeContainerTo(
      { write: (_at, part) => writes.push(part.byteLength) },
      content({
        sections: [
          {
            name: 'streamed',
            byteLength: 1_000_000,
            chunks: function* () {
              asked++;
              for (let i = 0; i < 1000; i++) yield piece;
            },
          },
        ],
      }),
    );
    expect(asked).toBe(1);
    expect(writes.slice(0, 1000).every((count) => count === 1000)).toBe(true);
    expect(writes.length).toBe(1002);
  });
});

describe('the writer refuses', () => {
  test.each<[string, Partial<ContainerContent>, string]>([
    [
      'two sections of one name',
      { sections: [sectionOf('a', pattern(1, 1)), sectionOf('a', pattern(1, 1))] },
      'container-section-duplicate',
    ],
    ['a section without a name', { sections: [sectionOf('', pattern(1, 1))] }, 'container-section-name'],
    [
      'too few bytes',
      { sections: [{ ...sectionOf('a', pattern(9, 1)), byteLength: 10 }] },
      'container-section-length',
    ],
    [
      'too many bytes',
      { sections: [{ ...sectionOf('a', pattern(9, 1)), byteLength: 8 }] },
      'container-section-length',
    ],
    [
      'a broken length',
      { sections: [{ ...sectionOf('a', pattern(9, 1)), byteLength: 0.5 }] },
      'container-section-length',
    ],
    ['numbers that are not finite', { header: { scale: Number.NaN } }, 'data-not-plain'],
    ['functions', { header: { run: () => 1 } }, 'data-not-plain'],
    ['class instances', { header: { when: new Date(0) } }, 'data-not-plain'],
    ['bytes', { header: { data: new Uint8Array(3) } }, 'data-not-plain'],
    ['big integers', { header: { n: 1n } }, 'data-not-plain'],
    ['holes', { header: { list: [1, undefined] } }, 'data-not-plain'],
    ['prototype keys', { header: JSON.parse('{"a":{"__proto__":{"x":1}}}') }, 'data-not-plain'],
    ['half characters', { header: { text: '\ud800' } }, 'data-not-plain'],
  ])('%s', (_title, changes, code) => {
    expect(errorOf(() => encodeContainer(content(changes))).code).toBe(code);
  });

  test('nesting without end', () => {
    const ring: Record<string, unknown> = {};
    ring.self = ring;
    expect(errorOf(() => encodeContainer(content({ header: ring }))).message).toMatch(
      /nesting of at most 96/,
    );
  });
});

describe('the reader refuses', () => {
  const good = { artefact: { kind: 'device' }, sections: [entry()] };
  const size = 4096 + 16;

  test('nothing of a sound container made by hand', () => {
    const back = open(headerContainer(good, { size }));
    expect(back.sections.read('a')).toEqual(new Uint8Array(16));
  });

  test.each<[string, Uint8Array, string, RegExp]>([
    ['an empty file', new Uint8Array(0), 'container-magic', /an empty file/],
    [
      'another format',
      new TextEncoder().encode('GGUF....'.repeat(9)),
      'container-magic',
      /bytes 47 47 55 46/,
    ],
    ['the magic alone', new TextEncoder().encode('BITLOOM\0'), 'container-truncated', /32 bytes.*8 bytes/],
    [
      'another major',
      headerContainer(good, { size, major: 2 }),
      'container-version',
      /1\.x.*2\.0.*newer bitloom/,
    ],
    [
      'an older major',
      headerContainer(good, { size, major: 0, minor: 9 }),
      'container-version',
      /0\.9.*write the/,
    ],
    ['an unknown kind', headerContainer(good, { size, kind: 9 }), 'container-kind', /1 \(model\).*9/],
    [
      'a header of 2^63 bytes',
      headerContainer(good, { size, headerBytes: 2n ** 63n }),
      'container-header-length',
      /9223372036854775808/,
    ],
    [
      'a header longer than the file',
      headerContainer(good, { headerBytes: 5000n }),
      'container-header-length',
      /5000/,
    ],
    ['a header cut short', headerContainer(good, { size, headerBytes: 20n }), 'container-checksum', /header/],
    ['no artefact', headerContainer({ sections: [] }), 'container-header', /artefact/],
    ['no sections', headerContainer({ artefact: 1 }), 'container-header', /sections/],
    ['a list', headerContainer([1, 2]), 'container-header', /a map/],
    [
      'an entry that is no map',
      headerContainer({ ...good, sections: [1] }),
      'container-header',
      /a map for each/,
    ],
    [
      'an entry without a name',
      headerContainer({ ...good, sections: [entry({ name: '' })] }, { size }),
      'container-section-name',
      /0 characters/,
    ],
    [
      'an entry with a number for a name',
      headerContainer({ ...good, sections: [entry({ name: 7 })] }, { size }),
      'container-section-name',
      /number/,
    ],
    [
      'a negative offset',
      headerContainer({ ...good, sections: [entry({ offset: -4096 })] }, { size }),
      'container-header',
      /offset/,
    ],
    [
      'a fractional length',
      headerContainer({ ...good, sections: [entry({ length: 1.5 })] }, { size }),
      'container-header',
      /length/,
    ],
    [
      'an offset beyond safe integers',
      headerContainer({ ...good, sections: [entry({ offset: 2n ** 53n })] }, { size }),
      'container-integer-range',
      /9007199254740992/,
    ],
    [
      'a section beyond the end',
      headerContainer({ ...good, sections: [entry({ length: 17n })] }, { size }),
      'container-section-range',
      /length 17/,
    ],
    [
      'a section in the header',
      headerContainer({ ...good, sections: [entry({ offset: 0n })] }, { size }),
      'container-section-range',
      /offset 0/,
    ],
    [
      'a section out of line',
      headerContainer({ ...good, sections: [entry({ offset: 4097n })] }, { size: size + 1 }),
      'container-section-range',
      /4097/,
    ],
    [
      'an empty section somewhere',
      headerContainer({ ...good, sections: [entry({ length: 0n, checksums: new Uint8Array(0) })] }, { size }),
      'container-section-range',
      /length 0/,
    ],
    [
      'too few checksums',
      headerContainer({ ...good, sections: [entry({ checksums: new Uint8Array(0) })] }, { size }),
      'container-header',
      /1 checksums/,
    ],
    [
      'too many checksums',
      headerContainer({ ...good, sections: [entry({ checksums: new Uint8Array(8) })] }, { size }),
      'container-header',
      /1 checksums/,
    ],
    [
      'two sections of one name',
      headerContainer({ ...good, sections: [entry(), entry({ offset: 8192n })] }, { size: 8192 + 16 }),
      'container-section-duplicate',
      /a/,
    ],
    [
      'two sections in one place',
      headerContainer({ ...good, sections: [entry(), entry({ name: 'b' })] }, { size }),
      'container-section-overlap',
      /'a' and 'b'/,
    ],
  ])('%s', (_title, bytes, code, message) => {
    const error = errorOf(() => open(bytes));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  test.each<[string, readonly number[], RegExp]>([
    ['nothing', [], /1 more bytes/],
    ['two values', [0xc0, 0xc0], /1 bytes after it/],
    ['the byte that is never used', [0xc1], /type byte 0xc1/],
    ['an extension', [0xd4, 1, 0], /type byte 0xd4/],
    ['a timestamp', [0xc7, 12, 255], /type byte 0xc7/],
    ['a bomb of lists', Array.from({ length: 200 }, () => 0x91), /nesting of at most 100/],
    ['a list of 2^32 elements', [0xdd, 255, 255, 255, 255], /at most 0 elements in 0 bytes/],
    ['a map of 2^32 fields', [0xdf, 255, 255, 255, 255, 1], /at most 1 elements/],
    ['text of 2^32 bytes', [0xdb, 255, 255, 255, 255], /4294967295 more bytes/],
    ['binary of 2^32 bytes', [0xc6, 255, 255, 255, 255], /4294967295 more bytes/],
    ['a key that is a number', [0x81, 1, 1], /keys that are strings.*number/],
    ['a key that is a list', [0x81, 0x90, 1], /keys that are strings.*object/],
    ['a key twice', [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2], /the key 'a' twice/],
    ['a prototype key', [0x81, 0xa9, ...new TextEncoder().encode('__proto__'), 0x80], /the key '__proto__'/],
    ['text that is not UTF-8', [0xa2, 0xc3, 0x28], /text in UTF-8/],
    ['text that is cut', [0xd9, 5, 0x61], /5 more bytes/],
    ['NaN', [0xca, 0x7f, 0xc0, 0, 0], /a finite number.*NaN/],
    ['infinity', [0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0], /a finite number.*-Infinity/],
    ['2^64 - 1', [0xcf, 255, 255, 255, 255, 255, 255, 255, 255], /18446744073709551615/],
    ['-2^63', [0xd3, 128, 0, 0, 0, 0, 0, 0, 0], /-9223372036854775808/],
  ])('%s as a header', (_title, header, message) => {
    const error = errorOf(() => open(rawContainer(Uint8Array.from(header))));
    expect(error.message).toMatch(message);
    expect(error.code).toMatch(/^container-(header|integer-range)$/);
  });

  test('a section that is not there, and ranges beyond one that is', () => {
    const { sections } = open(headerContainer(good, { size }));
    expect(errorOf(() => sections.read('b')).code).toBe('section-missing');
    expect(errorOf(() => sections.byteLength('b')).code).toBe('section-missing');
    expect(errorOf(() => sections.read('a', 10, 7)).code).toBe('section-range');
    expect(errorOf(() => sections.read('a', -1, 2)).code).toBe('section-range');
    expect(errorOf(() => sections.read('a', 17)).code).toBe('section-range');
    expect(errorOf(() => sections.read('a', 0.5, 1)).code).toBe('section-range');
  });
});

test('a newer minor is read, and what it added is ignored', () => {
  const header = {
    artefact: { kind: 'device', later: { x: 1 } },
    sections: [entry({ compression: 'none' })],
    index: [1],
  };
  const back = open(headerContainer(header, { size: 4112, minor: 7 }));
  expect(back.version).toEqual({ major: 1, minor: 7 });
  expect(back.sections.byteLength('a')).toBe(16);
});

describe('bytes that nobody wrote', () => {
  const bytes = encodeContainer(content());
  const readAll = (file: Uint8Array) => {
    const { header, entries, sections } = open(file);
    return JSON.stringify([
      header,
      entries.map(({ name }) => Buffer.from(sections.read(name)).toString('hex')),
    ]);
  };
  const all = readAll(bytes);

  test('every cut is noticed', () => {
    for (let length = 0; length < bytes.byteLength; length += 7) {
      expect(survives(() => readAll(bytes.subarray(0, length)))).toBe(false);
    }
    expect(survives(() => readAll(bytes.subarray(0, bytes.byteLength - 1)))).toBe(false);
  });

  test('a flipped bit is noticed wherever it matters', () => {
    fc.assert(
      fc.property(fc.nat(8 * bytes.byteLength - 1), (bit) => {
        const damaged = bytes.slice();
        damaged[bit >>> 3] ^= 1 << (bit & 7);
        // The minor version is covered by the preamble's checksum too; only padding is not.
        let back = all;
        survives(() => (back = readAll(damaged)));
        expect(back).toBe(all);
      }),
      { numRuns: 500 },
    );
  });

  test('random headers with right checksums end in a container or a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (header) => {
        survives(() => open(rawContainer(header)));
        // The same bytes where a section table is expected.
        const list = Uint8Array.from([
          0x82,
          0xa8,
          ...new TextEncoder().encode('artefact'),
          1,
          0xa8,
          ...new TextEncoder().encode('sections'),
          ...header,
        ]);
        survives(() => open(rawContainer(list)));
      }),
      { numRuns: 2000 },
    );
  });

  test('what the strict reader accepts, the msgpack library reads the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (value) => {
        const header = Uint8Array.from([
          0x82,
          0xa8,
          ...new TextEncoder().encode('artefact'),
          ...value,
          0xa8,
          ...new TextEncoder().encode('sections'),
          0x90,
        ]);
        let back: unknown;
        if (!survives(() => (back = open(rawContainer(header)).header))) return;
        expect(back).toEqual((decode(header) as { artefact: unknown }).artefact);
      }),
      { numRuns: 3000 },
    );
  });
});
