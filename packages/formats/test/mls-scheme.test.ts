/** The MLS scheme of the generic engine gives the codes and scales of `quantizeMls`. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { codesFromBytes, unpackCodes } from '../src/layouts/codes.js';
import { dequantizeMls, quantizeMls } from '../src/mls/quantize-mls.js';
import { dequantize, quantize } from '../src/quantize.js';
import { mlsScheme } from '../src/schemes/mls-scheme.js';

const sizes = fc.tuple(fc.nat(4), fc.nat(4), fc.nat(3), fc.nat(3));
const rounding = fc.constantFrom('nearest-even' as const, 'stochastic' as const, 'toward-zero' as const);

test('every element, group and rounding', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.constantFrom([2, 1] as const, [2, 4] as const, [0, 3] as const, [3, 0] as const),
      fc.constantFrom('n' as const, 'c' as const, 'nc' as const),
      fc.constantFrom(0 as const, 1 as const),
      fc.constantFrom('amax' as const, 'amax/qmax' as const),
      rounding,
      fc.nat(1000),
      (shape, element, groups, groupScaleMantissa, rule, mode, seed) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const data = Float32Array.from(
          { length: count },
          (_, i) => Math.sin(seed + i * 1.7) * 4 ** ((i * 7 + seed) % 9),
        );
        const direct = quantizeMls(data, shape, {
          element,
          groupScaleMantissa,
          groups,
          scaleRule: rule,
          rounding: mode,
          seed,
          stream: 3,
        });
        const scheme = mlsScheme(element[0], element[1], {
          groups,
          groupScaleMantissa,
          rule,
          rounding: mode,
          seed,
        });
        const quantized = quantize({ data, shape }, scheme, { stream: 3 });
        const { components, type } = quantized;
        const rows = shape[0] * shape[1] * shape[2];
        expect(unpackCodes(components.codes, rows, shape[3], type.element.bits)).toEqual(direct.codes);
        const [level] = type.scales;
        const scales = codesFromBytes(components.scales, direct.groupScales.length, level.format, 'scales');
        expect([...scales]).toEqual([...direct.groupScales]);
        expect(new Float32Array(components.scales1.slice().buffer)[0]).toBe(direct.tensorScale);
        expect(dequantize(quantized)).toEqual(dequantizeMls(direct));
      },
    ),
  );
});
