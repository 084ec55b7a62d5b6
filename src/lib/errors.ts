/** One problem in a body or a definition: where (a JSON pointer, RFC 6901) and what. */
export interface Problem {
  pointer: string;
  detail: string;
}

/**
 * Every error that Penstock answers with: code → HTTP status and title.
 * `docs/errors.md` has a line for each; a test compares the two. Only the error handler reads `status`.
 */
export const catalogue = {
  'bad-request': { status: 400, title: 'Malformed request' },
  'bad-json': { status: 400, title: 'Invalid JSON' },
  'bad-query': { status: 400, title: 'Invalid query parameter' },
  'bad-header': { status: 400, title: 'Invalid header' },
  'invalid-body': { status: 400, title: 'Invalid request body' },
  'invalid-definition': { status: 400, title: 'Invalid process definition' },
  'invalid-input': { status: 400, title: 'Invalid input of a run' },
  'invalid-input-url': { status: 400, title: 'Unusable input URL' },
  unauthenticated: { status: 401, title: 'Login required' },
  'nonce-unknown': { status: 401, title: 'Unknown nonce' },
  'nonce-expired': { status: 401, title: 'Expired nonce' },
  'nonce-used-up': { status: 401, title: 'Used-up nonce' },
  'folder-unusable': { status: 401, title: 'Unusable folder of the processing node' },
  forbidden: { status: 403, title: 'Permission denied' },
  'cross-site': { status: 403, title: 'Cross-site request' },
  'foreign-host': { status: 403, title: 'Unknown host name' },
  'wrong-token': { status: 403, title: 'Wrong job token' },
  'nonce-too-low': { status: 403, title: 'Insufficient nonce level' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'too-slow': { status: 408, title: 'Request too slow' },
  conflict: { status: 409, title: 'Conflict with existing data' },
  'illegal-transition': { status: 409, title: 'Illegal state transition' },
  'job-hidden': { status: 409, title: 'Hidden job' },
  'runs-here': { status: 409, title: 'Job that Penstock runs itself' },
  'node-busy': { status: 409, title: 'Busy processing node' },
  'account-unusable': { status: 409, title: 'Unusable account' },
  'not-a-service': { status: 409, title: 'Not a service' },
  'idempotency-conflict': { status: 409, title: 'Idempotency key in use' },
  'not-ready': { status: 409, title: 'Not ready yet' },
  'config-refused': { status: 409, title: 'Invalid configuration' },
  gone: { status: 410, title: 'Removed' },
  'precondition-failed': { status: 412, title: 'Precondition failed' },
  'too-large': { status: 413, title: 'Request too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported content type' },
  'range-not-satisfiable': { status: 416, title: 'Range not satisfiable' },
  'job-failed': { status: 422, title: 'Failed job' },
  'too-many-failed-logins': { status: 429, title: 'Too many failed logins' },
  'too-many-logins': { status: 429, title: 'Too many logins at once' },
  'queue-full': { status: 429, title: 'Full queue' },
  'stream-full': { status: 429, title: 'Full queue of a stream' },
  'services-full': { status: 429, title: 'Too many services' },
  'too-many-connections': { status: 429, title: 'Too many connections from one address' },
  'too-many-followers': { status: 429, title: 'Too many live streams' },
  internal: { status: 500, title: 'Internal error' },
  'detail-post': { status: 501, title: 'POST to a single object' },
  'input-source-failed': { status: 502, title: 'Failed input server' },
  'machine-failed': { status: 502, title: 'Failed machine' },
  'connector-failed': { status: 502, title: 'Failed cloud request' },
  'shutting-down': { status: 503, title: 'Server shutting down' },
  'stream-unavailable': { status: 503, title: 'Unavailable stream' },
  'files-unavailable': { status: 503, title: 'Unavailable files' },
  'store-unavailable': { status: 503, title: 'Unavailable database' },
  'disk-full': { status: 507, title: 'Full disk' },
} as const;

export type ErrorCode = keyof typeof catalogue;

/** The longest text of an error, in characters. Errors quote what was sent, and that may be megabytes. */
const longest = 4000;
/** The longest list of problems. With this many, the first ones are enough to start with. */
const mostProblems = 50;
const cut = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text);

/** An error for the caller, cut to a readable length. Anything else that is thrown is answered as `internal` and logged. */
export class PenstockError extends Error {
  readonly code: ErrorCode;
  /** The single problems with their places, for validation errors. */
  readonly problems: readonly Problem[];
  /** Headers for the answer, such as `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    detail: string,
    more: { problems?: readonly Problem[]; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(cut(detail), more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'PenstockError';
    this.code = code;
    this.problems = (more.problems ?? [])
      .slice(0, mostProblems)
      .map((problem) => ({ pointer: cut(problem.pointer), detail: cut(problem.detail) }));
    this.headers = more.headers ?? {};
  }
}

/** For requests to start a job while the server stops. */
export const shuttingDown = (): PenstockError =>
  new PenstockError('shutting-down', 'The server is stopping and accepts no new jobs.', {
    headers: { 'Retry-After': '5' },
  });

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
