import { expect, test } from 'vitest';
import { fittingHeaders } from '../../../src/domain/operations/operation.js';

test('headers that fit stay as they are', () => {
  const headers = { a: 'b', 'penstock-reason': 'why', large: 'x'.repeat(60_000) };
  expect(fittingHeaders(headers)).toBe(headers);
});

test.each([
  ['one header', { large: 'x'.repeat(65_000) }],
  ['bytes, not letters', { large: '\u00e4'.repeat(32_500) }],
  ['many headers', Object.fromEntries(Array.from({ length: 8000 }, (_, index) => [`n${index}`, '']))],
  ['a name of ours, used by somebody else', { redelivered: 'x'.repeat(65_000) }],
])('%s too large: ours are left, and what there was is told', (_what, own) => {
  const left = fittingHeaders({ ...own, 'penstock-reason': 'why' });
  expect(left).toMatchObject({ 'penstock-reason': 'why', 'penstock-headers-left-out': 'true' });
  expect(JSON.stringify(left).length).toBeLessThan(10_000);
});
