import type { Response } from 'express';
import { sendJsonText } from '../../http/answers/answer.js';
import { problemBody } from '../../http/error-handler.js';
import type { ErrorCode, PenstockError, Problem } from '../../lib/errors.js';

/**
 * Sends an answer in the common shape, indented by four spaces like the older scheduler.
 *
 * @param more keys that older clients do not know
 */
export function send(
  response: Response,
  status: number,
  request: 'success' | 'error',
  content: unknown,
  more: object = {},
): void {
  sendJsonText(response, status, `${JSON.stringify({ request, content, ...more }, null, 4)}\n`);
}

/** An error as an answer: its content is a sentence, as in the older scheduler, with our code and places added. */
export function failure(code: ErrorCode, detail: string, problems: readonly Problem[]) {
  const { type } = problemBody(code, detail, problems);
  return { request: 'error', content: detail, type, ...(problems.length > 0 ? { errors: problems } : {}) };
}

/** Why one task of several was not registered. */
export const refusal = (error: PenstockError) => ({
  status: 'error',
  content: error.message,
  ...(error.problems.length > 0 ? { errors: error.problems } : {}),
});
