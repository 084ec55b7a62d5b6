import { expect, test } from 'vitest';
import { isGeneration } from '../../../src/drivers/feeder/append.js';

test.each([
  'app.log',
  'app.log.1',
  'app.log-20261122',
  'app.log~',
  'app.log.old',
  'app.1.log',
  'app-2026.log',
])('%s may be an older one', (entry) => expect(isGeneration(entry, 'app.log')).toBe(true));

test.each([
  'app.pid',
  'app.log.lock',
  'app.log.1.gz',
  'app.logs',
  'application.log',
  'app.json',
  'app-1.json',
])('%s is another file', (entry) => expect(isGeneration(entry, 'app.log')).toBe(false));

test('a name without an extension', () => {
  expect(['output', 'output.1', 'output-2'].every((entry) => isGeneration(entry, 'output'))).toBe(true);
  expect(['outputs', 'output2', 'out.1'].some((entry) => isGeneration(entry, 'output'))).toBe(false);
});
