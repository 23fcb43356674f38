/** Text dumps against golden files. After a wanted change: `npx vitest run packages/ir/test/print.test.ts -u`. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  disassemble,
  formatAddress,
  formatInstruction,
  formatProvenance,
  type Instruction,
  printDevice,
  printProgram,
  printReport,
  symbol,
} from '../src/index.js';
import { formatFloat32, formatQuantity, formatShare, formatTable } from '../src/text.js';
import { instruction, normalized } from './support/arbitraries.js';
import { clusterProgram, tinyDevice, tinyReport } from './support/artefacts.js';

const sync: Instruction = { name: 'SYNC', queue: 'load', wait: [], release: [], fields: {}, origin: 0 };

describe('golden', () => {
  test('program', () => expect(printProgram(clusterProgram())).toMatchFileSnapshot('golden/program.txt'));
  test('program without numbers', () =>
    expect(printProgram(clusterProgram(), { numbers: false })).toMatchFileSnapshot(
      'golden/program-unnumbered.txt',
    ));
  test('device', () => expect(printDevice(tinyDevice())).toMatchFileSnapshot('golden/device.txt'));
  test('report', () => expect(printReport(tinyReport())).toMatchFileSnapshot('golden/report.txt'));
});

describe('disassemble', () => {
  test('is one line per instruction, and different for different instructions', () => {
    fc.assert(
      fc.property(instruction, instruction, (a, b) => {
        expect(formatInstruction(a)).not.toContain('\n');
        const [x, y] = [normalized(a), normalized(b)].map((value) => ({ ...value, origin: 0 }));
        if (formatInstruction(x) === formatInstruction(y)) expect(x).toEqual(y);
        expect(formatInstruction(normalized(a))).toBe(formatInstruction(a));
      }),
    );
  });

  test('an instruction more changes one line of an unnumbered dump', () => {
    const { streams } = clusterProgram().entries[0];
    const before = disassemble(streams[0].instructions, { numbers: false }).split('\n');
    const longer = [...streams[0].instructions.slice(0, 3), sync, ...streams[0].instructions.slice(3)];
    const after = disassemble(longer, { numbers: false }).split('\n');
    expect([...after.slice(0, 3), ...after.slice(4)]).toEqual(before);
    expect(after[3]).toBe('SYNC    load');
  });

  test('shows what the table does not have', () => {
    const odd: Instruction = { ...sync, name: 'FFT', fields: { size: 8, taps: symbol('past') }, origin: 9 };
    expect(disassemble([odd], { provenance: [] })).toBe('0  FFT     load     size=8 taps=past');
  });

  test('an END too many does not break the indentation', () => {
    const end: Instruction = { ...sync, name: 'END', queue: 'system' };
    expect(disassemble([end, sync], { indent: '> ' })).toBe('> 0  END     system\n> 1  SYNC    load');
  });

  test('nothing gives nothing', () => expect(disassemble([])).toBe(''));

  test.each<[Parameters<typeof formatAddress>[0], string]>([
    [{ space: 'data', channel: 0, register: 0, page: false, offset: 0 }, 'data[0x0]'],
    [{ space: 'data', channel: 2, register: 0, page: false, offset: 64 }, 'data:2[0x40]'],
    [{ space: 'hbm', channel: 0, register: 1, page: false, offset: 0 }, 'hbm:0[r1]'],
    [
      { space: 'ddr', channel: 255, register: 0, page: true, offset: { mul: [64, { sym: 'past' }] } },
      'ddr:*[page r0 + 64*past]',
    ],
    [
      { space: 'host', channel: 0, register: 0, page: false, offset: { add: [{ sym: 'i0' }, -16] } },
      'host[i0 + -16]',
    ],
  ])('address %#', (address, text) => expect(formatAddress(address)).toBe(text));

  test('provenance', () => {
    expect(formatProvenance({ node: 'l3.down', op: 'linear', layer: 3, tile: 'tile 4' })).toBe(
      'L3 l3.down tile 4',
    );
    expect(formatProvenance({ node: '', op: 'control', layer: -1, tile: '' })).toBe('control');
  });
});

describe('text', () => {
  test.each([
    [0, '0 s'],
    [1, '1 s'],
    [999.94, '999.9 s'],
    [999.96, '1 ks'],
    [0.0009, '900 us'],
    [1e-3, '1 ms'],
    [225e6, '225 Ms'],
    [-1.5e-9, '-1.5 ns'],
    [1e-20, '0.00001 fs'],
    [Number.NaN, 'NaN s'],
  ])('quantity %d', (value, text) => expect(formatQuantity(value, 's')).toBe(text));

  test('quantities keep four digits', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1e15, noNaN: true }), (value) => {
        const [number, unit] = formatQuantity(value, 'x').split(' ');
        const power = ['p', 'n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P'].indexOf(unit.slice(0, -1)) - 4;
        expect(Math.abs((Number(number) * 1000 ** power) / value - 1)).toBeLessThanOrEqual(5.001e-4);
      }),
    );
  });

  test('float32 text reads back', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Math.fround(Number(formatFloat32(value))) === value).toBe(true);
      }),
    );
    expect(formatFloat32(Math.fround(1e-5))).toBe('0.00001');
  });

  test('tables are aligned without trailing spaces', () => {
    const table = formatTable(
      [
        ['name', 'n', ''],
        ['a', '1', 'x'],
        ['bcd', '100', ''],
      ],
      '. ',
    );
    expect(table).toBe('. name    n\n. a       1  x\n. bcd   100');
    expect(formatTable([])).toBe('');
    expect(formatShare(1, 0)).toBe('-');
  });
});
