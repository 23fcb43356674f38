/**
 * Emits the order in which the ShiftQuant product over bytes packs the channels of a block: by classes of shifts, the
 * largest first, each filled up to a quad. As far as a code of a has room in its byte, it is shifted while it is packed;
 * between classes the sums are doubled.
 *
 * The plan of a block, in scratch memory: how many runs, places and moves there are; the runs (quads, doublings after
 * them); for each place the index of its channel, the factor of a in its byte and the factor of the channel; the same as
 * vectors of int8 and int16; and moves of bytes, up to 16 places that follow one another and whose channels lie in the
 * same 16.
 */
import {
  type FunctionReference,
  i32,
  load,
  type ModuleBuilder,
  op,
  select,
  type ValueType,
} from '@bitloom/wasm';
import { add, advance, type I32, mul, sub } from './emit.js';

/** Channels of a block, and its places: every class may need three more to fill a quad. */
export const CHANNELS = 512;
const CLASSES = 32;
export const PLACES = CHANNELS + 4 * CLASSES;
/** Places of vectors: they are read 16 at a time. */
const VECTOR_PLACES = PLACES + 16;
/** Bytes of an entry of the table of places, of a run and of a move. */
export const PLACE_BYTES = 12;
export const RUN_BYTES = 8;
export const MOVE_BYTES = 24;
/** Where a move has the index of its first channel and its first place; its lanes come before. */
export const MOVE_FROM = 16;
export const MOVE_TO = 20;
/** Largest shift whose factor is an int16. */
export const MOST_WORD_SHIFT = 14;

const RUNS = 16;
const TABLE = RUNS + CLASSES * RUN_BYTES;
const FACTORS = TABLE + PLACES * PLACE_BYTES;
const WEIGHTS = FACTORS + VECTOR_PLACES;
const MOVES = WEIGHTS + VECTOR_PLACES * 2;

/** Offsets of the parts of a plan. */
export const PLAN = {
  runCount: 0,
  places: 4,
  moveCount: 8,
  runs: RUNS,
  table: TABLE,
  factors: FACTORS,
  weights: WEIGHTS,
  moves: MOVES,
} as const;

/** Bytes of a plan. */
export const PLAN_BYTES = MOVES + CHANNELS * MOVE_BYTES;

/** planPlaces(shift, channels, most, unit, plan): fills the plan of a block; classes are shift / unit. */
export function emitPlan(module: ModuleBuilder): FunctionReference<readonly ValueType[], undefined> {
  const params = { shift: 'i32', channels: 'i32', most: 'i32', unit: 'i32', plan: 'i32' } as const;
  return module.procedure(
    'planPlaces',
    params,
    (f, p) => {
      const at = (offset: number): I32 => add(p.plan, offset);
      const run = f.local('i32', 'run', at(PLAN.runs));
      const entry = f.local('i32', 'entry', at(PLAN.table));
      const low = f.local('i32', 'low', op('i32.mul', op('i32.div_u', p.most, p.unit), p.unit));
      const previous = f.local('i32', 'previous');
      const k = f.local('i32', 'k');
      const rest = f.local('i32', 'rest');
      const count = f.local('i32', 'count');
      const place = (index: I32, factor: I32, weight: I32): void => {
        f.store('i32.store', entry, index);
        f.store('i32.store', entry, factor, 4);
        f.store('i32.store', entry, weight, 8);
        advance(f, entry, PLACE_BYTES);
      };
      f.while(op('i32.ge_s', low, i32(0)), () => {
        f.set(count, i32(0));
        f.set(k, i32(0));
        f.while(op('i32.lt_s', k, p.channels), () => {
          f.set(rest, sub(load('i32.load8_u', add(p.shift, k)), low));
          f.if(op('i32.lt_u', rest, p.unit), () => {
            place(k, op('i32.shl', i32(1), rest), op('i32.shl', i32(1), add(rest, low)));
            advance(f, count, 1);
          });
          advance(f, k, 1);
        });
        f.if(count, () => {
          f.while(op('i32.and', count, i32(3)), () => {
            place(i32(0), i32(0), i32(0));
            advance(f, count, 1);
          });
          // How often sums are doubled before the run, in the place of the run before.
          f.if(op('i32.gt_u', run, at(PLAN.runs)), () =>
            f.store('i32.store', sub(run, 4), sub(previous, low)),
          );
          f.store('i32.store', run, op('i32.shr_u', count, i32(2)));
          f.store('i32.store', run, low, 4);
          advance(f, run, RUN_BYTES);
          f.set(previous, low);
        });
        f.set(low, sub(low, p.unit));
      });
      const places = f.local('i32', 'places', op('i32.div_u', sub(entry, at(PLAN.table)), i32(PLACE_BYTES)));
      f.store('i32.store', p.plan, op('i32.shr_u', sub(run, at(PLAN.runs)), i32(3)), PLAN.runCount);
      f.store('i32.store', p.plan, places, PLAN.places);

      // Vectors, and moves where the order is not that of the channels.
      const index = f.local('i32', 'index');
      const factor = f.local('i32', 'factor');
      const from = f.local('i32', 'from');
      const used = f.local('i32', 'used', i32(16));
      const move = f.local('i32', 'move', sub(at(PLAN.moves), MOVE_BYTES));
      f.set(entry, at(PLAN.table));
      f.set(k, i32(0));
      f.while(op('i32.lt_s', k, places), () => {
        f.set(index, load('i32.load', entry));
        f.set(factor, load('i32.load', entry, 4));
        f.store('i32.store8', add(p.plan, k), factor, PLAN.factors);
        f.if(
          factor,
          () => {
            const weight = op('i32.div_u', load('i32.load', entry, 8), factor);
            f.store('i32.store16', add(p.plan, mul(k, 2)), weight, PLAN.weights);
            f.if(
              op('i32.or', op('i32.ge_u', used, i32(16)), op('i32.ne', from, op('i32.and', index, i32(-16)))),
              () => {
                f.set(from, op('i32.and', index, i32(-16)));
                advance(f, move, MOVE_BYTES);
                f.store('v128.store', move, op('i8x16.splat', i32(-128)));
                f.store('i32.store', move, from, MOVE_FROM);
                f.store('i32.store', move, k, MOVE_TO);
                f.set(used, i32(0));
              },
            );
            f.store('i32.store8', add(move, used), op('i32.and', index, i32(15)));
            advance(f, used, 1);
          },
          () => {
            f.store('i32.store16', add(p.plan, mul(k, 2)), i32(0), PLAN.weights);
            f.set(used, i32(16));
          },
        );
        advance(f, entry, PLACE_BYTES);
        advance(f, k, 1);
      });
      for (let byte = 0; byte < 16; byte += 4) {
        f.store('i32.store', add(p.plan, places), i32(0), PLAN.factors + byte);
      }
      for (let byte = 0; byte < 32; byte += 4) {
        f.store('i32.store', add(p.plan, mul(places, 2)), i32(0), PLAN.weights + byte);
      }
      const moves = op('i32.div_u', sub(add(move, MOVE_BYTES), at(PLAN.moves)), i32(MOVE_BYTES));
      const isOneRun = op('i32.eq', load('i32.load', p.plan, PLAN.runCount), i32(1));
      f.store('i32.store', p.plan, select(i32(0), moves, isOneRun), PLAN.moveCount);
    },
    { export: false },
  );
}
