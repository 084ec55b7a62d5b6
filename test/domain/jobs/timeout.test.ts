import { expect, test } from 'vitest';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import { timeoutOf } from '../../../src/domain/jobs/timeout.js';

test('the timeout is what the request says, or else the definition, or else the server, but of no service', () => {
  const timeout = (document: object, request: { timeout?: number }, byDefault: number | null) =>
    timeoutOf(normalise({ exec: 'x', ...document }), request, byDefault);
  const service = { process_type: 'service' };
  expect([timeout({}, {}, null), timeout({}, {}, 8), timeout(service, {}, 8)]).toEqual([null, 8, null]);
  expect([timeout({ timeout: 4 }, {}, 8), timeout({ ...service, timeout: 4 }, {}, 8)]).toEqual([4, 4]);
  expect([timeout({ timeout: 4 }, { timeout: 2 }, 8), timeout({}, { timeout: 2 }, 8)]).toEqual([2, 2]);
});
