import type { Request } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { checkedFileName } from '../../usecases/runs/receive.js';
import { queryPairs, queryValue } from '../answers/answer.js';
import { waitOf } from './job-routes.js';

/** The query of a run. Throws an error that names the wrong parameter. */
export function runQuery(request: Request, longest: number) {
  const wait = waitOf(request, longest);
  const output = queryValue(request, 'output');
  if (output !== undefined && output !== 'raw') {
    throw new PenstockError('bad-query', `output: '${output}' must be 'raw'.`);
  }
  if (output === 'raw' && wait === null) {
    throw new PenstockError(
      'bad-query',
      'output=raw needs wait=SECONDS, because there is no output to send before the job has ended.',
    );
  }
  const dry = queryValue(request, 'dry_run');
  if (dry !== undefined && !['', '0', '1', 'true', 'false'].includes(dry)) {
    throw new PenstockError('bad-query', `dry_run: '${dry}' must be 1 or 0.`);
  }
  const outputName = queryValue(request, 'output_name');
  const inputName = queryValue(request, 'input_name');
  return {
    wait,
    raw: output === 'raw',
    dry: dry !== undefined && dry !== '0' && dry !== 'false',
    outputName: outputName === undefined ? undefined : checkedFileName(outputName, '?output_name'),
    inputName: inputName === undefined ? undefined : checkedFileName(inputName, '?input_name'),
  };
}

/** The values of inputs in a query: `inputs.NAME=VALUE`. */
export const inputValues = (request: Request) =>
  queryPairs(request).flatMap(([name, text]) =>
    name.startsWith('inputs.') ? [[name.slice('inputs.'.length), text] as const] : [],
  );

/** The key of the header; null if there is none. */
export function idempotencyKey(request: Request): string | null {
  const key = request.get('idempotency-key');
  if (key === undefined) return null;
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new PenstockError('bad-header', 'Idempotency-Key must be 1 to 255 printable ASCII characters.');
  }
  return key;
}
