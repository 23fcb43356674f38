/**
 * What may be turned on a card, as a table: name, values from small to large by what they take of the FPGA, how to read
 * a value from a card and how to put one in. Later knobs may look at what earlier ones have put in. A knob changes what
 * is built, never the board: memories, clock, dispatcher, energy table and budget stay those of the base.
 */
import { type BufferDecl, type BufferSpace, type Device, engineDsps, type MatrixEngine } from '@bitloom/ir';

export type Setting = number | string;

export interface Knob {
  readonly name: string;
  readonly values: readonly Setting[];
  /** Whether a card that is cut into cores has a share of it in each, rather than all. */
  readonly isDivided?: boolean;
  /** Undefined: the card has no such part. */
  readonly read: (device: Device) => Setting | undefined;
  readonly write: (device: Device, value: Setting) => Device;
}

const KIB = 1024;

/** The engine with changes, and as many DSPs as its modes need. */
function withEngine(device: Device, changes: Partial<MatrixEngine>): Device {
  const matrix: MatrixEngine = { ...device.matrix, ...changes };
  return { ...device, matrix: { ...matrix, dsp: { ...matrix.dsp, count: engineDsps(matrix) } } };
}

function modeKnob(mode: 'mm' | 'mv', axis: 'm' | 'n' | 'k', values: readonly number[]): Knob {
  return {
    name: `${mode}.${axis}`,
    values,
    isDivided: axis === 'n',
    read: ({ matrix }) => matrix[mode][axis],
    write: (device, value) =>
      withEngine(device, { [mode]: { ...device.matrix[mode], [axis]: Number(value) } }),
  };
}

/** Outputs of the larger mode: what the resource model counts where a card leaves the number of units open. */
const mostOutputs = ({ mm, mv }: MatrixEngine): number => Math.max(mm.m * mm.n, mv.m * mv.n);

/** A card is cut into equal cores; how many dies of the base each stands for follows. */
function withCores(device: Device, cores: number): Device {
  if (cores === device.cores) return device;
  const dies = device.cores * device.lumpedSlrs;
  return { ...device, cores, lumpedSlrs: Math.max(1, Math.round(dies / cores)) };
}

function bufferKnob(
  space: BufferSpace,
  name: string,
  values: readonly Setting[],
  read: (buffer: BufferDecl) => Setting,
  change: (value: Setting, buffer: BufferDecl) => Partial<BufferDecl>,
): Knob {
  return {
    name: `${space}.${name}`,
    values,
    isDivided: name === 'kib' || name === 'width',
    read: ({ buffers }) => {
      const buffer = buffers.find((one) => one.space === space);
      return buffer === undefined ? undefined : read(buffer);
    },
    write: (device, value) => ({
      ...device,
      buffers: device.buffers.map((buffer) =>
        buffer.space === space ? { ...buffer, ...change(value, buffer) } : buffer,
      ),
    }),
  };
}

/** As the resource model's rule chooses. */
const AUTO = 'auto';

/** Ranges of one buffer: KiB, bytes per cycle of a port, ports. */
interface BufferRange {
  readonly space: BufferSpace;
  readonly kib: readonly number[];
  readonly width: readonly number[];
  readonly ports: readonly number[];
}

const BUFFER_RANGES: readonly BufferRange[] = [
  {
    space: 'weights',
    kib: [64, 128, 256, 512, 1024, 2048],
    width: [128, 256, 512, 1024, 1536, 2048, 3072, 4096],
    ports: [2],
  },
  {
    space: 'stream',
    kib: [64, 128, 256, 512, 1024, 2048],
    width: [128, 256, 512, 1024, 1536, 2048, 3072, 4096],
    ports: [2],
  },
  {
    space: 'data',
    kib: [1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 20480, 24576],
    width: [64, 128, 192, 256, 384, 512, 768, 1024, 2048],
    ports: [2, 4],
  },
  {
    space: 'accumulator',
    kib: [32, 64, 128, 256, 512, 1024, 2048],
    width: [64, 128, 256, 512, 1024, 2048, 4096],
    ports: [2],
  },
  { space: 'index', kib: [16, 32, 64, 128, 256], width: [16, 32, 64, 128, 256, 512], ports: [2] },
];

function bufferKnobs({ space, kib, width, ports }: BufferRange): Knob[] {
  return [
    bufferKnob(
      space,
      'kib',
      kib,
      ({ bytes }) => bytes / KIB,
      (value) => ({ bytes: Number(value) * KIB }),
    ),
    bufferKnob(
      space,
      'width',
      width,
      ({ bytesPerCyclePerPort }) => bytesPerCyclePerPort,
      (value) => ({ bytesPerCyclePerPort: Number(value) }),
    ),
    bufferKnob(
      space,
      'ports',
      ports,
      (buffer) => buffer.ports,
      (value) => ({ ports: Number(value) }),
    ),
    bufferKnob(
      space,
      'storage',
      [AUTO, 'bram', 'uram'],
      ({ storage }) => storage ?? AUTO,
      (value) => ({ storage: value === 'bram' || value === 'uram' ? value : undefined }),
    ),
  ];
}

/** Float units from those without DSPs to those with most. */
const BUILDS = ['lut', 'mixed', 'dsp'] as const;
const buildOf = (value: Setting): (typeof BUILDS)[number] =>
  BUILDS.find((build) => build === value) ?? 'mixed';

/** Every knob. Number formats are none: what lanes compute is said by the model. */
export const KNOBS: readonly Knob[] = [
  {
    name: 'cores',
    values: [1, 2, 3, 4],
    read: ({ cores }) => cores,
    write: (device, value) => withCores(device, Number(value)),
  },
  modeKnob('mm', 'm', [2, 4, 8, 16]),
  modeKnob('mm', 'n', [16, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384]),
  modeKnob('mm', 'k', [16, 32, 64]),
  modeKnob('mv', 'n', [16, 32, 48, 64, 96, 128, 160, 192, 256]),
  modeKnob('mv', 'k', [16, 32, 64, 128]),
  {
    name: 'keeps',
    values: ['16', '8,16', '4,8,16', '2,4,8,16'],
    read: ({ matrix }) => [...matrix.keeps].sort((a, b) => a - b).join(','),
    write: (device, value) =>
      withEngine(device, {
        keeps: String(value)
          .split(',')
          .filter((text) => text !== '')
          .map(Number),
      }),
  },
  {
    name: 'rescale.units',
    values: [8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768],
    isDivided: true,
    read: ({ matrix }) => (matrix.rescale.units === 0 ? mostOutputs(matrix) : matrix.rescale.units),
    write: (device, value) =>
      withEngine(device, { rescale: { ...device.matrix.rescale, units: Number(value) } }),
  },
  {
    name: 'rescale.build',
    values: BUILDS,
    read: ({ matrix }) => matrix.rescale.build,
    write: (device, value) =>
      withEngine(device, { rescale: { ...device.matrix.rescale, build: buildOf(value) } }),
  },
  {
    name: 'lanes',
    values: [4, 8, 12, 16, 24, 32, 48, 64, 96, 128],
    isDivided: true,
    read: ({ vector }) => vector.lanes,
    write: (device, value) => ({ ...device, vector: { ...device.vector, lanes: Number(value) } }),
  },
  {
    name: 'exponentLanes',
    values: [1, 2, 4, 8, 16, 32, 64],
    isDivided: true,
    read: ({ vector }) => (vector.exponentLanes === 0 ? vector.lanes : vector.exponentLanes),
    // No more than there are lanes: 0 says all of them.
    write: (device, value) => {
      const exponentLanes = Number(value) >= device.vector.lanes ? 0 : Number(value);
      return { ...device, vector: { ...device.vector, exponentLanes } };
    },
  },
  {
    name: 'lanes.build',
    values: BUILDS,
    read: ({ vector }) => vector.build,
    write: (device, value) => ({ ...device, vector: { ...device.vector, build: buildOf(value) } }),
  },
  ...BUFFER_RANGES.flatMap(bufferKnobs),
  {
    name: 'exchange.width',
    values: [16, 32, 64, 128, 256],
    read: ({ exchange }) => exchange.bytesPerCycle,
    // A card of one core has no link: equal designs stay equal.
    write: (device, value) =>
      device.cores === 1
        ? device
        : { ...device, exchange: { ...device.exchange, bytesPerCycle: Number(value) } },
  },
];
