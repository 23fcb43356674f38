/** Generators of vector kernels, norms and reductions. */

/** A matrix of rows x cols floats in the pools: pointer, batch stride, row stride; strides may repeat rows. */
function source(pools, random, batch, rows, cols) {
  const row = random.bits() % 8 === 0 ? 0 : (cols + random.integer(0, 3)) * 4;
  const at = pools.floats(random, batch * rows * (cols + 3));
  return [at, random.bits() % 8 === 0 ? 0 : rows * row, row];
}

function vectorShape(random) {
  return [random.integer(1, 2), random.integer(0, 4), random.size(200)];
}

const unary = (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  return {
    args: [batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * row, row],
    bytes: batch * rows * row,
  };
};

const binary = (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  const operands = [source(pools, random, batch, rows, cols), source(pools, random, batch, rows, cols)];
  return {
    args: [batch, rows, cols, ...operands.flat(), pools.out, rows * row, row],
    bytes: batch * rows * row,
  };
};

const norm = (bias) => (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const row = cols * 4;
  const weight = pools.floats(random, cols + 1);
  const biases = bias ? [random.bits() % 2 === 0 ? 0 : pools.floats(random, cols + 1)] : [];
  return {
    args: [
      ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), weight, ...biases],
      ...[pools.out, rows * row, row, 1e-5],
    ],
    bytes: batch * rows * row,
  };
};

/** Rows of bytes to rows of bytes, of the lengths that `lengthsOf` gives for columns. */
const rowsOfBytes = (lengthsOf) => (pools, random) => {
  const [batch, rows, cols] = vectorShape(random);
  const [from, to] = lengthsOf(cols);
  const src = pools.codes(random, batch * rows * from);
  return {
    args: [batch, rows, cols, src, rows * from, from, pools.out, rows * to, to],
    bytes: batch * rows * to,
  };
};

export const VECTOR_CASES = {
  silu: unary,

  gelu: unary,

  relu: unary,

  copy: unary,

  add: binary,

  mul: binary,

  siluMul: binary,

  rmsNorm: norm(false),

  layerNorm: norm(true),

  l1Norm: norm(true),

  quantizeRows(pools, random) {
    const [batch, rows, cols] = vectorShape(random);
    const padTo = random.bits() % 2 === 0 ? 0 : cols + random.integer(0, 8);
    const row = Math.max(cols, padTo);
    const scales = pools.out + Math.ceil((batch * rows * row) / 64) * 64;
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * row, row],
        ...[padTo, scales, rows * 4, 4],
      ],
      bytes: scales - pools.out + batch * rows * 4,
    };
  },

  quantizeRowsInt4(pools, random) {
    const [batch, rows, cols] = vectorShape(random);
    const scales = pools.out + Math.ceil((batch * rows * cols) / 64) * 64;
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * cols, cols],
        ...[scales, rows * 4, 4],
      ],
      bytes: scales - pools.out + batch * rows * 4,
    };
  },

  packRowsInt4: rowsOfBytes((cols) => [cols, Math.ceil(cols / 2)]),

  expandRowsInt4: rowsOfBytes((cols) => [Math.ceil(cols / 2), cols]),

  rowMaxima(pools, random) {
    const [batch, rows, cols] = vectorShape(random);
    return {
      args: [batch, rows, cols, ...source(pools, random, batch, rows, cols), pools.out, rows * 4, 4],
      bytes: batch * rows * 4,
    };
  },

  quantizeRowsBy(pools, random) {
    const [batch, rows, cols] = vectorShape(random);
    const parts = random.integer(0, 9);
    const padTo = random.bits() % 2 === 0 ? 0 : cols + random.integer(0, 8);
    const row = Math.max(cols, padTo);
    const scales = pools.out + Math.ceil((batch * rows * row) / 64) * 64;
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols)],
        ...[...source(pools, random, batch, rows, parts), parts, pools.out, rows * row, row],
        ...[padTo, scales, rows * 4, 4],
      ],
      bytes: scales - pools.out + batch * rows * 4,
    };
  },

  rope(pools, random) {
    const [batch, rows, half] = [random.integer(1, 3), random.integer(0, 4), random.size(64)];
    const cols = half * 2;
    const table = pools.floats(random, rows * cols);
    return {
      args: [
        ...[batch, rows, cols, ...source(pools, random, batch, rows, cols), table, cols * 4],
        ...[pools.out, rows * cols * 4, cols * 4, random.integer(0, 1)],
      ],
      bytes: batch * rows * cols * 4,
    };
  },

  embedGroups(pools, random) {
    const [bits, group, rows, cols] = [
      random.integer(2, 8),
      random.integer(1, 64),
      random.integer(0, 5),
      random.size(150),
    ];
    const rowBytes = Math.ceil((cols * bits) / 8);
    const groups = Math.ceil(cols / group);
    return {
      args: [
        ...[bits, group, rows, cols, pools.ids(random, rows), pools.codes(random, 16 * rowBytes), rowBytes],
        ...[pools.halves(random, 16 * groups), groups * 2, pools.out, cols * 4],
      ],
      bytes: rows * cols * 4,
    };
  },

  embedF32(pools, random) {
    const [rows, cols] = [random.integer(0, 5), random.size(150)];
    return {
      args: [
        rows,
        cols,
        pools.ids(random, rows),
        pools.floats(random, 16 * cols),
        cols * 4,
        pools.out,
        cols * 4,
      ],
      bytes: rows * cols * 4,
    };
  },

  l1NormInt8(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(260)];
    const maybe = (pointer) => (random.bits() % 2 === 0 ? 0 : pointer);
    return {
      args: [
        ...[rows, cols, pools.codes(random, rows * cols), cols, maybe(pools.words(random, cols))],
        ...[maybe(pools.codes(random, cols)), random.pick([0.5, 8, 20, 300]), pools.out, cols],
      ],
      bytes: rows * cols,
    };
  },

  argMax(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(300)];
    return { args: [rows, cols, pools.floats(random, rows * cols), cols * 4, pools.out], bytes: rows * 4 };
  },

  softmaxStatistics(pools, random) {
    const [rows, cols] = [random.integer(0, 4), random.size(300)];
    return {
      args: [rows, cols, pools.floats(random, rows * cols), cols * 4, 0.7, pools.out],
      bytes: rows * 8,
    };
  },
};
