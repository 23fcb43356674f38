/** Products of the matrix engine as calls of kernels: by weights, wherever their tile is, by keys and by values. */
import { BitloomError, internalError, MATRIX_MODES, weightTileBytes } from '@bitloom/ir';
import type { Getter } from '../compiled-stream.js';
import {
  type Argument,
  type Arguments,
  combine,
  type Execute,
  getterOf,
  inTurn,
  NOTHING,
} from './arguments.js';
import { codeRows } from './execute-int4.js';
import { expandSparse, isExpanded } from './expand-sparse.js';

/** The weight tile of a product, wherever its bytes are. */
function weightTile(a: Arguments): Argument {
  const [bits, group, keep] = [a.constant('bits'), a.constant('group'), a.constant('keep')];
  if (a.instruction.space('b') !== 'weights') {
    if (isExpanded(bits, keep)) throw notInBuffer(a.instruction.space('b'), bits);
    return a.pointer('b');
  }
  const { deferred } = a.ctx;
  const at = getterOf(a.address('b'));
  const bytes = getterOf(
    combine(a.field('n'), a.field('k'), (n, k) => weightTileBytes(bits, group, keep, k, n)),
  );
  const read: Getter = (env) => deferred.read(at(env), bytes(env));
  if (!isExpanded(bits, keep)) return read;
  const [n, k] = [getterOf(a.field('n')), getterOf(a.field('k'))];
  const { expanded, memory } = a.ctx;
  return (env) => {
    expandSparse(memory.arena, read(env), expanded, { bits, group, keep, n: n(env), k: k(env) });
    return expanded;
  };
}

function notInBuffer(space: string, bits: number): BitloomError {
  return new BitloomError({
    code: 'simulator-unsupported',
    message: `sparse tiles of ${bits}-bit codes are expanded from the weight buffer only`,
    expected: 'weights',
    got: space,
  });
}

export function matrix(a: Arguments): Execute {
  const mode = MATRIX_MODES[a.constant('mode')];
  const flags = combine(a.field('continue'), a.field('finish'), (more, finish) => more | (finish << 1));
  if (mode === 'weights') {
    return a.kernel(a.constant('keep') === 0 ? 'gemmGroups' : 'gemmSparse', [
      isExpanded(a.constant('bits'), a.constant('keep')) ? 4 : a.field('bits'),
      ...a.fields('group', 'm', 'n', 'k'),
      a.pointer('a'),
      a.field('aRow'),
      a.pointer('aScale'),
      a.field('aScaleRow'),
      weightTile(a),
      a.pointer('out'),
      a.field('outRow'),
      flags,
    ]);
  }
  const [batch, m, n] = [a.field('batch'), a.field('m'), a.field('n')];
  if (mode === 'keys') {
    const { operand, expand } = codeRows(a, n, a.field('k'));
    const product = a.kernel('attentionScores', [
      batch,
      m,
      n,
      a.field('k'),
      ...a.strided('a'),
      ...a.strided('aScale'),
      ...operand,
      a.pointer('bScale'),
      a.field('bScaleBatch'),
      a.field('bShare'),
      ...a.strided('out'),
    ]);
    return expand === NOTHING ? product : inTurn(expand, product);
  }
  if (mode === 'values') {
    const accRow = combine(n, 4, (cols, bytes) => cols * bytes);
    const accBatch = combine(m, accRow, (rows, row) => rows * row);
    const { operand, expand } = codeRows(a, a.field('k'), n);
    const product = a.kernel('attentionMix', [
      batch,
      m,
      n,
      a.field('k'),
      ...a.strided('a'),
      ...a.strided('aScale'),
      ...operand,
      a.field('bShare'),
      a.pointer('acc'),
      accBatch,
      accRow,
      ...a.strided('out'),
      flags,
    ]);
    return expand === NOTHING ? product : inTurn(expand, product);
  }
  throw internalError(`matrix mode ${a.constant('mode')}`);
}
