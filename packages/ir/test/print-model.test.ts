/** Model text against golden files. After a wanted change: `npx vitest run packages/ir/test/print-model.test.ts -u`. */
import { describe, expect, test } from 'vitest';
import { printModel } from '../src/index.js';
import { trainingModel } from './support/artefacts.js';
import { tinyModel } from './support/tiny-model.js';

describe('printModel', () => {
  test('of a quantised model with weights', () =>
    expect(printModel(tinyModel({ isInteger: true, hasSections: true }))).toMatchFileSnapshot(
      'golden/model.txt',
    ));

  test('of a model that does not verify leaves types out', () =>
    expect(printModel(trainingModel().model)).toMatchFileSnapshot('golden/model-unverified.txt'));

  test('does not depend on the order of keys', () => {
    const model = tinyModel();
    const reversed = Object.fromEntries(Object.entries(model.metadata).reverse());
    expect(printModel({ ...model, metadata: reversed })).toBe(printModel(model));
    expect(printModel(model)).not.toMatch(/ $/m);
  });
});
