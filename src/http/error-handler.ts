import type { ErrorRequestHandler } from 'express';
import { catalogue, type ErrorCode, messageOf, PenstockError } from '../errors.js';
import type { Logger } from '../log.js';
import { storeError } from '../store/writer.js';
import { sendJson } from './answer.js';

/** What an error looks like to a client: the old `error` text, and the members of RFC 9457 beside it. */
export function problemBody(
  code: ErrorCode,
  detail: string,
  problems: readonly { pointer: string; detail: string }[] = [],
) {
  const { status, title } = catalogue[code];
  return {
    error: detail,
    type: `/api/docs/errors/#${code}`,
    title,
    status,
    detail,
    ...(problems.length > 0 ? { errors: problems } : {}),
  };
}

/** What Express and Node throw themselves, in our words. */
function translate(thrown: unknown): unknown {
  const known = storeError(thrown);
  if (known instanceof PenstockError) return known;
  const { status, statusCode, code } = (thrown ?? {}) as {
    status?: unknown;
    statusCode?: unknown;
    code?: unknown;
  };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PenstockError('disk-full', 'There is no room left on the disk. Nothing was changed.', {
      cause: thrown,
    });
  }
  const http = typeof status === 'number' ? status : statusCode;
  if (http === 400) return new PenstockError('bad-request', messageOf(thrown), { cause: thrown });
  if (http === 404) return new PenstockError('not-found', 'There is no such file.', { cause: thrown });
  if (http === 416)
    return new PenstockError('range-not-satisfiable', 'The file has no such bytes.', { cause: thrown });
  return thrown;
}

/** The one place where an error becomes an answer. What is not meant for the caller is logged and not shown. */
export function errorHandler(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const error = translate(thrown);
    const known =
      error instanceof PenstockError
        ? error
        : new PenstockError(
            'internal',
            "Something went wrong here. It is in the log, with this request's id.",
          );
    const { status } = catalogue[known.code];
    if (status >= 500 && known.code !== 'detail-post') {
      log.error(
        {
          request: response.locals.requestId as string,
          method: request.method,
          path: request.path,
          code: known.code,
          error: messageOf(error),
          stack: error instanceof Error ? error.stack : undefined,
        },
        'a request failed',
      );
    }
    if (response.headersSent || request.destroyed) {
      response.destroy();
      return;
    }
    // A body that is not read to its end cannot be followed by another request.
    const unread =
      !request.readableEnded &&
      Number(request.headers['content-length'] ?? 1) > 0 &&
      request.method !== 'GET';
    sendJson(response, status, problemBody(known.code, known.message, known.problems), {
      ...known.headers,
      ...(unread ? { Connection: 'close' } : {}),
    });
  };
}
