/**
 * Page script: what there is to say about one span of the timeline. The function is put into the page as text: it may
 * use nothing but its own body.
 */
import type { TimelineData } from '../timeline/timeline-data.js';
import type { Timeline } from './read-spans.js';

/** Terms with what they are. */
export type Facts = readonly (readonly [term: string, text: string])[];

/** @param zero cycle from which times are counted */
export function describeSpan(data: TimelineData, timeline: Timeline, span: number, zero: number): Facts {
  const lane = timeline.lanes[timeline.laneOf[span]];
  const i = timeline.placeOf[span];
  const { core, unit } = data.lanes[timeline.laneOf[span]];
  const { op, node, layer, tile, instruction } = timeline.labels[lane.label[i]];
  const many = lane.count[i] > 1;
  const count = (value: number): string => Math.round(value).toLocaleString('en').replaceAll(',', '\u202f');
  const units: readonly (readonly [number, string])[] = [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
    [1e-9, 'ns'],
  ];
  const seconds = (cycles: number, digits = 4): string => {
    const value = cycles / data.clockHz;
    const [scale, name] = units.find(([least]) => value >= least) ?? [1, 's'];
    return `${Number((value / scale).toPrecision(digits))} ${name}`;
  };
  const why: Record<string, string> = {
    token: 'for tokens of other units',
    memory: 'for memory channels',
    bufferPort: 'for a port of a buffer',
    dispatch: 'for the dispatcher',
    barrier: 'at a barrier or for other cores',
    none: 'with nothing to do',
  };
  const stalledOn =
    unit === 'load' || unit === 'fetch' || unit === 'store' ? 'memory channels or a port' : 'a narrow port';
  const length = lane.end[i] - lane.start[i];
  const blocker = lane.blocker[i];
  const waitedFor = (): string => {
    if (blocker < 0) return 'nothing that is recorded';
    const other = timeline.lanes[timeline.laneOf[blocker]];
    const from = data.lanes[timeline.laneOf[blocker]];
    const label = timeline.labels[other.label[timeline.placeOf[blocker]]];
    const where = from.core === core ? from.unit : `${from.unit} of core ${from.core}`;
    return `${label.instruction} on ${where}: ${label.node}${label.tile === '' ? '' : `, ${label.tile}`}`;
  };
  return [
    ['op', layer < 0 ? op : `${op}, layer ${layer}`],
    ['node', node],
    ...(tile === '' ? [] : [['tile', tile] as const]),
    ['instruction', many ? `${count(lane.count[i])} joined, mostly ${instruction}` : instruction],
    ['unit', `${unit}, core ${core}`],
    ['time', `${seconds(length)} = ${count(length)} ${length === 1 ? 'cycle' : 'cycles'}`],
    [
      'from, to',
      `${seconds(lane.start[i] - zero, 7)} to ${seconds(lane.end[i] - zero, 7)}, cycles ${count(lane.start[i])} to ${count(lane.end[i])}`,
    ],
    ...(many ? [['in a unit', `${count(lane.occupied[i])} cycles`] as const] : []),
    ...(lane.stalled[i] > 0
      ? [['held up', `${count(lane.stalled[i])} of these cycles by ${stalledOn}`] as const]
      : []),
    [
      many ? 'waits' : 'wait before',
      lane.waited[i] > 0
        ? `${count(lane.waited[i])} cycles, ${many ? 'the longest ' : 'mostly '}${why[data.causes[lane.cause[i]]] ?? ''}`
        : 'none: the unit was busy until then',
    ],
    [many ? 'then for' : 'waited for', waitedFor()],
  ];
}
