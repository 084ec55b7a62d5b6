import type { ErrorRequestHandler } from 'express';
import { catalogue, type ErrorCode, messageOf, PenstockError, type Problem } from '../errors.js';
import type { Logger } from '../log.js';
import { storeError } from '../store/writer.js';
import { type Known, sendJson, sendJsonAndLinger } from './answer.js';
import { challenge } from './auth.js';

/** What an error looks like to a client: the old `error` text, and the members of RFC 9457 beside it. */
export function problemBody(code: ErrorCode, detail: string, problems: readonly Problem[] = []) {
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
  if (http === 412) {
    return new PenstockError('precondition-failed', 'The file is not the one that is meant.', {
      cause: thrown,
    });
  }
  if (http === 416) {
    const { headers } = thrown as { headers?: Record<string, string> };
    return new PenstockError('range-not-satisfiable', 'The file has no such bytes.', {
      cause: thrown,
      ...(headers === undefined ? {} : { headers }),
    });
  }
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
    // A request that was read to its end counts as destroyed; only a connection that is gone is gone.
    if (response.headersSent || request.socket.destroyed) {
      response.destroy();
      return;
    }
    // What was meant for the bytes of a file says nothing of an error.
    for (const name of ['Content-Disposition', 'Last-Modified', 'ETag', 'Accept-Ranges', 'Cache-Control']) {
      response.removeHeader(name);
    }
    const hasBody =
      request.headers['transfer-encoding'] !== undefined ||
      Number(request.headers['content-length'] ?? 0) > 0;
    const send = hasBody && !request.readableEnded ? sendJsonAndLinger : sendJson;
    const shape = (response.locals as Partial<Known>).problemShape ?? problemBody;
    // Whatever was wrong with a login, a 401 says what would be right (RFC 9110, 15.5.2).
    const headers = status === 401 ? { 'WWW-Authenticate': challenge, ...known.headers } : known.headers;
    send(response, status, shape(known.code, known.message, known.problems), headers);
  };
}
