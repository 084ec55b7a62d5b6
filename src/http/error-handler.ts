import type { ErrorRequestHandler } from 'express';
import { catalogue, type ErrorCode, messageOf, PenstockError, type Problem } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { storeError } from '../store/sqlite/writer.js';
import { type Known, sendJson, sendJsonAndLinger } from './answers/answer.js';
import { challenge } from './guards/auth.js';

/** An error as clients see it: the older `error` text, and the members of RFC 9457. */
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

/** Errors of system calls that have nothing to do with the request, in words. */
const faultsOfFiles: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EIO: 'the disk reports an I/O error',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
};
/** These calls always concern the data folder. Opened files may belong to programs, which set their own modes. */
const ofOurFolder = ['mkdir', 'rename', 'rmdir', 'access', 'scandir'];

function faultOfFiles({ code = '', syscall = '' }: NodeJS.ErrnoException): string | undefined {
  const denied = ['EACCES', 'EPERM'].includes(code) && ofOurFolder.includes(syscall);
  return denied ? 'permission denied' : faultsOfFiles[code];
}

/** Error codes of reads and writes after the client has disconnected. */
const goneCodes = [
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
];

/** Turns errors of Express, Node.js and Prisma into ours. */
function translate(thrown: unknown): unknown {
  const known = storeError(thrown);
  if (known instanceof PenstockError) return known;
  const { status, statusCode, code } = (thrown ?? {}) as {
    status?: unknown;
    statusCode?: unknown;
    code?: unknown;
  };
  // Prisma's code for a unique constraint. We check beforehand, but another request may have been faster.
  if (code === 'P2002') {
    const detail = 'Another request has just taken this name or id. Nothing was changed. Choose another one.';
    return new PenstockError('conflict', detail, { cause: thrown });
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PenstockError('disk-full', 'The disk is full. Nothing was changed.', {
      cause: thrown,
    });
  }
  const fault = faultOfFiles((thrown ?? {}) as NodeJS.ErrnoException);
  if (fault !== undefined) {
    return new PenstockError(
      'files-unavailable',
      `The server cannot write to its data folder: ${fault}. Nothing was changed.`,
      { cause: thrown, headers: { 'Retry-After': '10' } },
    );
  }
  const http = typeof status === 'number' ? status : statusCode;
  if (http === 400) return new PenstockError('bad-request', messageOf(thrown), { cause: thrown });
  if (http === 404) return new PenstockError('not-found', 'The file does not exist.', { cause: thrown });
  if (http === 412) {
    return new PenstockError('precondition-failed', 'The file does not match the condition of the request.', {
      cause: thrown,
    });
  }
  if (http === 416) {
    const { headers } = thrown as { headers?: Record<string, string> };
    return new PenstockError('range-not-satisfiable', 'The file does not have these bytes.', {
      cause: thrown,
      ...(headers === undefined ? {} : { headers }),
    });
  }
  return thrown;
}

/** The only place that turns an error into an answer. Logs what is not meant for the caller instead of showing it. */
export function errorHandler(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const gone = request.socket.destroyed || response.closed;
    if (gone && goneCodes.includes((thrown as NodeJS.ErrnoException | null)?.code ?? '')) {
      // The client disconnected: nothing is wrong here, and there is nobody left to answer.
      log.debug({ request: response.locals.requestId as string, path: request.path }, 'client disconnected');
      response.destroy();
      return;
    }
    const error = translate(thrown);
    const known =
      error instanceof PenstockError
        ? error
        : new PenstockError(
            'internal',
            "Internal error. The server's log has the details, with the id of this request.",
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
        'request failed',
      );
    }
    // Check the socket, because a request that was read to its end counts as destroyed.
    if (response.headersSent || request.socket.destroyed) {
      response.destroy();
      return;
    }
    // Remove the headers for the file that was not sent.
    for (const name of ['Content-Disposition', 'Last-Modified', 'ETag', 'Accept-Ranges', 'Cache-Control']) {
      response.removeHeader(name);
    }
    const hasBody =
      request.headers['transfer-encoding'] !== undefined ||
      Number(request.headers['content-length'] ?? 0) > 0;
    const send = hasBody && !request.readableEnded ? sendJsonAndLinger : sendJson;
    const shape = (response.locals as Partial<Known>).problemShape ?? problemBody;
    // Every 401 must say how to log in (RFC 9110, 15.5.2).
    const headers = status === 401 ? { 'WWW-Authenticate': challenge, ...known.headers } : known.headers;
    send(response, status, shape(known.code, known.message, known.problems), headers);
  };
}
