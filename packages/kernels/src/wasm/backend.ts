/**
 * The WebAssembly SIMD backend: one instance over the arena's memory, with thin wrappers where a kernel is made of
 * several passes. Everything else is the exported function itself.
 */
import { internalError } from '@bitloom/ir';
import { instantiateModule, type WasmFunction, type WasmModule } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import { FLAG_CONTINUE, FLAG_FINISH, type KernelTable, MAX_GROUP_LENGTH } from '../kernels.js';
import { checkGroups } from '../reference/gemm.js';
import { checkEmbedGroups } from '../reference/vector.js';
import { type Container, MAX_TOKENS, RAGGED_BYTES, S8, U4, variantName } from './gemm-groups.js';
import { compileLongGroupKernels, MEMORY_IMPORT } from './module.js';

/** Columns of K prepared at once, unless one group is longer: keeps the prepared activations in the caches. */
const CHUNK_COLUMNS = 16384;

/** Scratch memory one instance needs: prepared activations of a pass and one ragged block. */
export const SCRATCH_BYTES = RAGGED_BYTES + MAX_TOKENS * 2 * MAX_GROUP_LENGTH + 65536;

function exportedFunction(exports: Record<string, unknown>, name: string): WasmFunction {
  const value = exports[name];
  if (typeof value !== 'function') throw internalError(`the kernel module does not export ${name}`);
  return value as WasmFunction;
}

/** Makes the kernels over `arena`; `scratch` points to {@link SCRATCH_BYTES} bytes that only this instance uses. */
export function wasmKernels(arena: Arena, module: WasmModule, scratch: number): KernelTable {
  const imports = { [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: arena.memory } };
  const exports = instantiateModule(module, imports);
  const get = (name: string): WasmFunction => exportedFunction(exports, name);
  const prepared = scratch + RAGGED_BYTES;
  const passes = (from: Record<string, unknown>, container: Container, pieces: boolean): WasmFunction[] =>
    [1, 2, 3, 4].map((tokens) => exportedFunction(from, variantName({ container, tokens, pieces })));
  const short = { 4: passes(exports, U4, false), 8: passes(exports, S8, false) };
  const prepare = { 4: get(`prepare${U4.name}`), 8: get(`prepare${S8.name}`) };
  let long: typeof short | undefined;
  const longPasses = (): typeof short => {
    const longExports = instantiateModule(compileLongGroupKernels(), imports);
    return { 4: passes(longExports, U4, true), 8: passes(longExports, S8, true) };
  };
  const gemmF32x1 = get('gemmF32x1');
  const gemmF32x2 = get('gemmF32x2');
  const embedGroups = get('embedGroups');

  return {
    quantizeRows: get('quantizeRows'),
    attentionScores: get('attentionScores'),
    softmaxQuantize: get('softmaxQuantize'),
    attentionMix: get('attentionMix'),
    attentionScoresF32: get('attentionScoresF32'),
    softmaxF32: get('softmaxF32'),
    attentionMixF32: get('attentionMixF32'),
    rmsNorm: get('rmsNorm'),
    layerNorm: get('layerNorm'),
    rope: get('rope'),
    add: get('add'),
    mul: get('mul'),
    siluMul: get('siluMul'),
    silu: get('silu'),
    gelu: get('gelu'),
    relu: get('relu'),
    copy: get('copy'),
    embedF32: get('embedF32'),

    embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR) {
      checkEmbedGroups(bits, group);
      embedGroups(bits, group, rows, cols, ids, codes, codesRowBytes, scales, scalesRowBytes, dst, dstR);
    },

    gemmF32(M, N, K, x, xR, w, wR, out, outR) {
      let m = 0;
      for (; m + 2 <= M; m += 2) gemmF32x2(N, K, x + m * xR, xR, w, wR, out + m * outR, outR);
      if (m < M) gemmF32x1(N, K, x + m * xR, xR, w, wR, out + m * outR, outR);
    },

    gemmGroups(bits, group, M, N, K, x, xR, xScale, xScaleR, w, out, outR, flags) {
      checkGroups(bits, group, K);
      const { stepColumns, pieceColumns } = bits === 4 ? U4 : S8;
      const length = Math.min(group, K);
      if (length > pieceColumns) long ??= longPasses();
      const variants = length > pieceColumns && long !== undefined ? long : short;
      const run = bits === 4 ? variants[4] : variants[8];
      const lay = bits === 4 ? prepare[4] : prepare[8];
      const groups = Math.ceil(K / group);
      const groupSteps = Math.ceil(length / stepColumns);
      const groupBytes = groupSteps * 64 + 32;
      const lastSteps = Math.ceil((K - (groups - 1) * group) / stepColumns);
      const blockStride = (groups - 1) * groupBytes + lastSteps * 64 + 32;
      const chunkGroups = Math.max(1, Math.floor(CHUNK_COLUMNS / group));
      for (let m = 0; m < M; m += MAX_TOKENS) {
        const tokens = Math.min(MAX_TOKENS, M - m);
        // A product without columns still writes its accumulator, so at least one chunk runs.
        for (let g = 0; g === 0 || g < groups; g += chunkGroups) {
          const count = Math.min(chunkGroups, groups - g);
          const last = g + count >= groups;
          const start = g * group;
          const columns = Math.min(K, (g + count) * group) - start;
          for (let t = 0; t < tokens; t += 1) {
            lay(x + (m + t) * xR + start, columns, group, prepared, tokens, t);
          }
          const chunkFlags =
            (g === 0 ? flags & FLAG_CONTINUE : FLAG_CONTINUE) | (last ? flags & FLAG_FINISH : 0);
          run[tokens - 1](
            w + g * groupBytes,
            blockStride,
            count,
            groupSteps,
            last ? lastSteps : groupSteps,
            prepared,
            N,
            out + m * outR,
            outR,
            xScale + m * xScaleR,
            xScaleR,
            chunkFlags,
            scratch,
          );
        }
      }
    },
  };
}
