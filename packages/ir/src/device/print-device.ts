/**
 * The device description as text.
 */
import { formatQuantity, formatTable } from '../text.js';
import { type Device, type MatrixMode, memoryDram, peakBytesPerSecond } from './device.js';
import { type DramStandard, dramBits, dramBurstBytes, dramRowBytes } from './dram.js';

/** Text of a device: every figure with its unit, and where the figures come from. */
export function printDevice(device: Device): string {
  const { matrix, dispatcher, tokens, energy, resources, calibration } = device;
  const mode = ({ m, n, k, startupCycles }: MatrixMode): string =>
    `${m} x ${n} x ${k} = ${m * n * k} products per cycle, ${startupCycles} cycles start-up, ` +
    `${formatQuantity(2 * m * n * k * device.clockHz, 'op/s')}`;
  const { dsp } = matrix;
  const lumped = device.lumpedSlrs === 1 ? '' : `, each ${device.lumpedSlrs} SLRs as one`;
  const facts = [
    ['clock', formatQuantity(device.clockHz, 'Hz')],
    ['cores', `${device.cores}${lumped}`],
    ['matrix x matrix', mode(matrix.mm)],
    ['matrix x vector', mode(matrix.mv)],
    ['dsp', `${dsp.count} ${dsp.kind}, ${dsp.productsPerDsp} products per DSP and cycle`],
    ['chains', chains(matrix)],
    [
      'rescale',
      `${matrix.rescale.units === 0 ? 'each sum' : `${matrix.rescale.units} sums per cycle`}, ${matrix.rescale.build}`,
    ],
    ['weight bits', matrix.weightBits.join(', ')],
    ['vector', lanes(device)],
    [
      'dispatcher',
      `queues of ${dispatcher.queueDepth}, ${dispatcher.cyclesPerInstruction} cycles per instruction, ` +
        `${dispatcher.cyclesPerOperation} per operation, ${dispatcher.cyclesPerIteration} per iteration, ` +
        `loops to depth ${dispatcher.loopDepth} and ${dispatcher.loopBufferInstructions} instructions held`,
    ],
    ['tokens', `counters of ${tokens.counterBits} bits${credits(tokens.initialCredits)}`],
    ['numerics', device.numerics.join('; ')],
    [
      'resources',
      `${resources.dsp} DSP, ${resources.bram} BRAM, ${resources.uram} URAM, ${resources.lut} LUT`,
    ],
    ['time divisor', String(calibration.timeDivisor)],
  ];
  const buffers = device.buffers.map(({ space, bytes, ports, bytesPerCyclePerPort }) => [
    space,
    String(bytes),
    String(ports),
    String(bytesPerCyclePerPort),
  ]);
  const memories = device.memories.map((memory) => [
    memory.space,
    memory.kind,
    String(memory.channels),
    String(memory.channels * memory.bytesPerChannel),
    formatQuantity(peakBytesPerSecond(memory), 'B/s'),
    String(memory.interleaveBytes),
    String(memory.efficiency),
    String(memory.scatteredEfficiency ?? memory.efficiency),
  ]);
  const picojoules = [
    ['product', String(energy.macPicojoules), energy.sources.product ?? ''],
    ['vector element', String(energy.vectorElementPicojoules), energy.sources.vectorElement ?? ''],
    ...Object.entries(energy.bytePicojoules).map(([space, value]) => [
      `byte of ${space}`,
      String(value),
      energy.sources[space] ?? '',
    ]),
  ];
  const parts = [
    `device ${device.name}: ${device.title}`,
    `  source: ${device.source}`,
    formatTable(
      facts.map(([key, value]) => [`${key}:`, value]),
      '  ',
    ),
    'buffers',
    formatTable([['space', 'bytes', 'ports', 'bytes/cycle/port'], ...buffers], '  '),
    'memories',
    formatTable(
      [['space', 'kind', 'channels', 'bytes', 'peak', 'interleave', 'efficiency', 'scattered'], ...memories],
      '  ',
    ),
    ...device.memories.flatMap((memory) => [
      `dram of ${memory.space}`,
      formatTable(
        dramFacts(memoryDram(memory), memory.controllerNs).map(([key, value]) => [`${key}:`, value]),
        '  ',
      ),
    ]),
    `energy (pJ), ${formatQuantity(energy.staticWatts, 'W')} at rest; ${energy.source}`,
    formatTable([['event', 'pJ', 'from'], ...picojoules], '  '),
    ...(energy.sources.static === undefined ? [] : [`  at rest: ${energy.sources.static}`]),
    ...(calibration.fitted.length === 0 ? [] : ['fitted']),
    ...calibration.fitted.map(({ field, on }) => `  ${field} on ${on}`),
  ];
  return `${parts.join('\n')}\n`;
}

function chains({ chain, keeps }: Device['matrix']): string {
  const { dsps, groupDsps, window, overflowAdjust } = chain;
  const sparse =
    keeps.length === 0 ? 'dense only' : `keeps of 16: ${keeps.join(', ')}, selected of ${window}`;
  return `${dsps} DSPs in groups of ${groupDsps}, sums of ${overflowAdjust.skipUpTo} before they are split; ${sparse}`;
}

function lanes({ vector }: Device): string {
  const { exponentLanes, startupCycles, format, build } = vector;
  const exponents = exponentLanes === 0 ? '' : `, ${exponentLanes} of them with exponentials`;
  return `${vector.lanes} lanes${exponents}, ${startupCycles} cycles start-up; built in ${format}, ${build}`;
}

function credits(initial: Readonly<Record<string, number>>): string {
  const pairs = Object.entries(initial).map(([pair, count]) => `${pair}=${count}`);
  return pairs.length === 0 ? '' : `, at reset ${pairs.join(' ')}`;
}

/** A part as text, on the clock it runs at. */
function dramFacts(dram: DramStandard, controllerNs: number): [string, string][] {
  const { clocks } = dram;
  const pairs = Object.entries(clocks).map(([key, value]) => `${key} ${value}`);
  const pseudo = dram.pseudoChannels === 1 ? '' : `, ${dram.pseudoChannels} pseudo-channels`;
  return [
    ['part', `${dram.name} at ${formatQuantity(2e9 / dram.clockNs, 'b/s')} per pin; ${dram.source}`],
    ['clock', `${Number(dram.clockNs.toPrecision(4))} ns`],
    [
      'organisation',
      `${dram.busBits} data bits${pseudo}, bursts of ${dramBurstBytes(dram)} bytes, rows of ${dramRowBytes(dram)} bytes, ` +
        `${2 ** dramBits(dram, 'bankGroup')} groups of ${2 ** dramBits(dram, 'bank')} banks`,
    ],
    ['address bits', dram.addressBits.map(({ part, bits }) => `${part} ${bits}`).join(', ')],
    ['clocks', pairs.join(', ')],
    ['refresh', dram.refresh],
    ['command buses', `${dram.commandBuses}, activates take ${dram.activateClocks}`],
    ['controller', `${controllerNs} ns`],
  ];
}
