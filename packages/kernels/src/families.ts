/** The table of families. A new family is a line here, a new kernel a name in the interface of its family. */
import { defineFamily, type KernelFamily } from './family.js';
import { ATTENTION_KERNELS } from './interface/attention.js';
import { CONVOLUTION_KERNELS } from './interface/convolutions.js';
import { FLOAT_PRODUCT_KERNELS } from './interface/float-products.js';
import { GROUP_PRODUCT_KERNELS } from './interface/group-products.js';
import { INT4_ROW_KERNELS } from './interface/int4-rows.js';
import { INTEGER_PRODUCT_KERNELS } from './interface/integer-products.js';
import { L1_NORM_KERNELS } from './interface/l1-norms.js';
import { ROW_PART_KERNELS } from './interface/row-parts.js';
import { SAMPLING_KERNELS } from './interface/sampling.js';
import { SPARSE_PRODUCT_KERNELS } from './interface/sparse-products.js';
import { VECTOR_KERNELS } from './interface/vectors.js';
import { WINDOW_KERNELS } from './interface/windows.js';
import { ATTENTION_DIVISIONS } from './parallel/attention.js';
import { CONVOLUTION_DIVISIONS, WINDOW_DIVISIONS } from './parallel/convolution-calls.js';
import { FLOAT_PRODUCT_DIVISIONS } from './parallel/float-products.js';
import { GROUP_PRODUCT_DIVISIONS } from './parallel/group-products.js';
import { INTEGER_PRODUCT_DIVISIONS } from './parallel/integer-products.js';
import { SPARSE_PRODUCT_DIVISIONS } from './parallel/sparse-products.js';
import { attentionKernels } from './reference/attention.js';
import { convolutionKernels } from './reference/convolution.js';
import { floatProductKernels } from './reference/float-products.js';
import { groupProductKernels } from './reference/gemm.js';
import { int4RowKernels } from './reference/int4-rows.js';
import { integerProductKernels } from './reference/integer-products.js';
import { l1NormKernels } from './reference/l1-norm.js';
import { rowPartKernels } from './reference/quantize.js';
import { samplingKernels } from './reference/sampling.js';
import { sparseProductKernels } from './reference/sparse-products.js';
import { vectorKernels } from './reference/vector.js';
import { windowKernels } from './reference/window.js';
import { ATTENTION_CASES } from './selftest/attention.js';
import { CONVOLUTION_CASES } from './selftest/convolutions.js';
import { FLOAT_PRODUCT_CASES } from './selftest/float-products.js';
import { GROUP_PRODUCT_CASES } from './selftest/group-products.js';
import { INT4_ROW_CASES } from './selftest/int4-rows.js';
import { INTEGER_PRODUCT_CASES } from './selftest/integer-products.js';
import { L1_NORM_CASES } from './selftest/l1-norms.js';
import { ROW_PART_CASES } from './selftest/row-parts.js';
import { SAMPLING_CASES } from './selftest/sampling.js';
import { SPARSE_PRODUCT_CASES } from './selftest/sparse-products.js';
import { VECTOR_CASES } from './selftest/vectors.js';
import { WINDOW_CASES } from './selftest/windows.js';
import { emitAttention } from './wasm/attention.js';
import { bindGroupProducts, bindL1Norms, bindSparseProducts, bindVectors } from './wasm/bind.js';
import { bindConvolutions, bindWindows, emitConvolutions, emitWindows } from './wasm/convolutions.js';
import { emitGemmF32 } from './wasm/gemm-f32.js';
import { bindFloatProducts } from './wasm/gemm-f32-bind.js';
import { emitGemmGroups } from './wasm/gemm-groups.js';
import { emitInt4Rows } from './wasm/int4-rows.js';
import { emitIntegerProducts } from './wasm/integer-products.js';
import { bindIntegerProducts } from './wasm/integer-products-bind.js';
import { emitL1Norms } from './wasm/l1-norm.js';
import { emitRowParts } from './wasm/quantize.js';
import { emitSampling } from './wasm/sampling.js';
import { emitSparseProducts } from './wasm/sparse-products.js';
import { emitVectors } from './wasm/vectors.js';

/** Every family; the index of one is its number in a pool of workers. */
export const FAMILIES: readonly KernelFamily[] = [
  defineFamily({
    name: 'vectors',
    names: VECTOR_KERNELS,
    reference: vectorKernels,
    emit: emitVectors,
    bind: bindVectors,
    cases: VECTOR_CASES,
  }),
  defineFamily({
    name: 'group-products',
    names: GROUP_PRODUCT_KERNELS,
    reference: groupProductKernels,
    emit: emitGemmGroups,
    bind: bindGroupProducts,
    cases: GROUP_PRODUCT_CASES,
    divisions: GROUP_PRODUCT_DIVISIONS,
  }),
  defineFamily({
    name: 'float-products',
    names: FLOAT_PRODUCT_KERNELS,
    reference: floatProductKernels,
    emit: emitGemmF32,
    bind: bindFloatProducts,
    cases: FLOAT_PRODUCT_CASES,
    divisions: FLOAT_PRODUCT_DIVISIONS,
  }),
  defineFamily({
    name: 'integer-products',
    names: INTEGER_PRODUCT_KERNELS,
    reference: integerProductKernels,
    emit: emitIntegerProducts,
    bind: bindIntegerProducts,
    cases: INTEGER_PRODUCT_CASES,
    divisions: INTEGER_PRODUCT_DIVISIONS,
  }),
  defineFamily({
    name: 'attention',
    names: ATTENTION_KERNELS,
    reference: attentionKernels,
    emit: emitAttention,
    cases: ATTENTION_CASES,
    divisions: ATTENTION_DIVISIONS,
  }),
  defineFamily({
    name: 'windows',
    names: WINDOW_KERNELS,
    reference: windowKernels,
    emit: emitWindows,
    bind: bindWindows,
    cases: WINDOW_CASES,
    divisions: WINDOW_DIVISIONS,
  }),
  defineFamily({
    name: 'convolutions',
    names: CONVOLUTION_KERNELS,
    reference: convolutionKernels,
    emit: emitConvolutions,
    bind: bindConvolutions,
    cases: CONVOLUTION_CASES,
    divisions: CONVOLUTION_DIVISIONS,
  }),
  defineFamily({
    name: 'l1-norms',
    names: L1_NORM_KERNELS,
    reference: l1NormKernels,
    emit: emitL1Norms,
    bind: bindL1Norms,
    cases: L1_NORM_CASES,
  }),
  defineFamily({
    name: 'sampling',
    names: SAMPLING_KERNELS,
    reference: samplingKernels,
    emit: emitSampling,
    cases: SAMPLING_CASES,
  }),
  defineFamily({
    name: 'sparse-products',
    names: SPARSE_PRODUCT_KERNELS,
    reference: sparseProductKernels,
    emit: emitSparseProducts,
    bind: bindSparseProducts,
    cases: SPARSE_PRODUCT_CASES,
    divisions: SPARSE_PRODUCT_DIVISIONS,
  }),
  // Apart from `vectors`, of which the addon has every kernel, so that those need no WebAssembly beside it.
  defineFamily({
    name: 'row-parts',
    names: ROW_PART_KERNELS,
    reference: rowPartKernels,
    emit: emitRowParts,
    cases: ROW_PART_CASES,
  }),
  defineFamily({
    name: 'int4-rows',
    names: INT4_ROW_KERNELS,
    reference: int4RowKernels,
    emit: emitInt4Rows,
    cases: INT4_ROW_CASES,
  }),
];
