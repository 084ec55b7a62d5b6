import { STATUS_CODES } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import { sendJsonText } from '../../http/answers/answer.js';
import { problemBody } from '../../http/error-handler.js';
import { type Json, object } from '../../http/openapi/openapi-parts.js';
import type { ErrorCode, Problem } from '../../lib/errors.js';
import type { NodeAnswer, Piece } from './node-answer.js';

const text = { type: 'string' };

/** The schema of what every command gives. */
export const envelope: Json = {
  ...object({
    result: {
      description: 'What the command gives; -1 for an error of the node, null for what is not there.',
    },
    message: { description: 'Empty, a reason, or the status object of a script.' },
    timestamp: { type: 'number', description: 'Seconds since 1970, larger in every answer.' },
  }),
  required: ['result', 'message', 'timestamp'],
};
export const errorEnvelope: Json = {
  ...object({ error: text, message: text, timestamp: { type: 'number' } }),
  required: ['error', 'message', 'timestamp'],
};

/** Seconds since 1970, to the microsecond, and larger with each call, because clients check that. */
export function risingClock(): () => number {
  let last = 0;
  let origin = performance.timeOrigin;
  return () => {
    // `performance.now` does not follow corrections of the system clock, so adjust it.
    if (Math.abs(origin + performance.now() - Date.now()) > 2) origin = Date.now() - performance.now();
    last = Math.max(last + 1, Math.round((origin + performance.now()) * 1000));
    return last / 1e6;
  };
}

/** The older node's text for each error status. */
const called: Readonly<Record<number, string>> = {
  400: 'Bad request.',
  401: 'Unauthorized. Authentication needed to modify.',
  404: 'Not found.',
  409: 'Conflict. Updating.',
};

/** An error in the node's shape. The message begins with the status, which clients check too. */
export const failure =
  (now: () => number) => (code: ErrorCode, detail: string, problems: readonly Problem[]) => {
    const { status, title } = problemBody(code, detail, problems);
    return {
      error: called[status] ?? `${title}.`,
      message: `${status} ${STATUS_CODES[status]}: ${detail}`,
      timestamp: now(),
    };
  };

/** An answer's text, piece by piece. Its timestamp is taken last, because other answers may be sent meanwhile. */
async function* pieces({ result, message }: NodeAnswer, now: () => number): AsyncGenerator<string> {
  yield '{"result": ';
  yield* textOf(result);
  yield ', "message": ';
  yield* textOf(message);
  yield `, "timestamp": ${now().toFixed(6)}}`;
}

async function* textOf(piece: Piece): AsyncGenerator<string> {
  if (typeof piece === 'string') yield piece;
  else yield* piece;
}

/** Answers up to this size, in characters, are sent as a whole. Larger ones are streamed. */
const smallAnswer = 256 * 1024;

/** Sends an answer of any size, with its three keys in their order. `X-Job-UUID` names its job, if any. */
export async function sendAnswer(response: Response, answer: NodeAnswer, now: () => number): Promise<void> {
  if (answer.job !== undefined) response.setHeader('X-Job-UUID', answer.job);
  const all = pieces(answer, now);
  let text = '';
  for (;;) {
    const next = await all.next();
    if (next.done) {
      sendJsonText(response, 200, text);
      return;
    }
    text += next.value;
    if (text.length > smallAnswer) break;
  }
  response.writeHead(200, { 'Content-Type': 'application/json', Vary: 'Accept' });
  if (response.req.method === 'HEAD') {
    // A streamed answer has no length, and HEAD must have the same headers as GET.
    await all.return(undefined);
    response.end();
    return;
  }
  async function* rest(): AsyncGenerator<string> {
    yield text;
    yield* all;
  }
  // If the client disconnects, there is nobody left to answer.
  await pipeline(Readable.from(rest()), response)
    .catch((error: unknown) => {
      if (!response.destroyed) throw error;
    })
    // If it disconnected earlier, `rest` never began, and its files would stay open.
    .finally(() => all.return(undefined));
}
