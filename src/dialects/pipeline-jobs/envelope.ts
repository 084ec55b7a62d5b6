import { type Json, object } from '../../http/openapi/openapi-parts.js';
import type { ErrorCode, Problem } from '../../lib/errors.js';
import { version } from '../../lib/package.js';

/** The schema of every answer. */
export const envelope: Json = object({
  status: { enum: ['success', 'error'] },
  message: { type: 'string' },
  version: { type: 'string' },
  result: {},
});

/** An answer in the actor platform's envelope. */
export const success = (message: string, result: unknown) => ({
  status: 'success',
  message,
  version,
  result,
});

/** An error in the actor platform's envelope, with our code and the places of problems added. */
export const failure = (code: ErrorCode, detail: string, problems: readonly Problem[]) => ({
  status: 'error',
  message: detail,
  version,
  result: null,
  type: `/api/docs/errors/#${code}`,
  ...(problems.length > 0 ? { errors: problems } : {}),
});
