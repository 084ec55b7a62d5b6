import type { ErrorRequestHandler } from 'express';
import { catalogue, type ErrorCode, messageOf, PenstockError, type Problem } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { storeError } from '../store/sqlite/writer.js';
import { type Known, sendJson, sendJsonAndLinger } from './answers/answer.js';
import { challenge } from './guards/auth.js';

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

/** What a system call fails with that has nothing to do with the request, in words. */
const faultsOfFiles: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EIO: 'the disk does not work',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
};
/** What these make or move is always in the data folder; what is opened may be a program's, which has its own modes. */
const ofOurFolder = ['mkdir', 'rename', 'rmdir', 'access', 'scandir'];

function faultOfFiles({ code = '', syscall = '' }: NodeJS.ErrnoException): string | undefined {
  const denied = ['EACCES', 'EPERM'].includes(code) && ofOurFolder.includes(syscall);
  return denied ? 'permission denied' : faultsOfFiles[code];
}

/** How reads and writes fail when the client has gone. */
const goneCodes = [
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
];

/** What Express and Node throw themselves, in our words. */
function translate(thrown: unknown): unknown {
  const known = storeError(thrown);
  if (known instanceof PenstockError) return known;
  const { status, statusCode, code } = (thrown ?? {}) as {
    status?: unknown;
    statusCode?: unknown;
    code?: unknown;
  };
  // Prisma's word for what is to be there once; it is looked for beforehand, but somebody else may be at it, too.
  if (code === 'P2002') {
    const detail = 'Another request has just taken this name or id. Nothing was changed. Choose another one.';
    return new PenstockError('conflict', detail, { cause: thrown });
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PenstockError('disk-full', 'There is no room left on the disk. Nothing was changed.', {
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
    const gone = request.socket.destroyed || response.closed;
    if (gone && goneCodes.includes((thrown as NodeJS.ErrnoException | null)?.code ?? '')) {
      // A client that went away in the middle: nothing is wrong here, and nobody is left to be told.
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
        'request failed',
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
