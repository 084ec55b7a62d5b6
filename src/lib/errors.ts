/** One problem inside a body or a definition: where (JSON pointer, RFC 6901) and what. */
export interface Problem {
  pointer: string;
  detail: string;
}

/**
 * Every error that Penstock answers with: code → HTTP status and title.
 * `docs/errors.md` has a line for each; a test compares the two. Only the error handler reads `status`.
 */
export const catalogue = {
  'bad-request': { status: 400, title: 'The request cannot be understood' },
  'bad-json': { status: 400, title: 'The body is not valid JSON' },
  'bad-query': { status: 400, title: 'A query parameter is wrong' },
  'bad-header': { status: 400, title: 'A header is wrong' },
  'invalid-body': { status: 400, title: 'The body does not have the right shape' },
  'invalid-definition': { status: 400, title: 'The process definition is not valid' },
  'invalid-input-url': { status: 400, title: 'The input cannot be fetched from that URL' },
  unauthenticated: { status: 401, title: 'A login is needed' },
  'nonce-unknown': { status: 401, title: 'There is no such nonce' },
  'nonce-expired': { status: 401, title: 'The nonce has expired' },
  'nonce-used-up': { status: 401, title: 'The nonce has no uses left' },
  'folder-unusable': { status: 401, title: 'A folder of the processing node cannot be made' },
  forbidden: { status: 403, title: 'This login may not do that' },
  'cross-site': { status: 403, title: 'Cross-site request' },
  'foreign-host': { status: 403, title: 'Unknown host name' },
  'wrong-token': { status: 403, title: 'That is not a token of this job' },
  'nonce-too-low': { status: 403, title: 'The nonce is not good for that' },
  'not-found': { status: 404, title: 'There is no such thing here' },
  'method-not-allowed': { status: 405, title: 'This method is not for this URL' },
  'too-slow': { status: 408, title: 'The request came too slowly' },
  conflict: { status: 409, title: 'That contradicts what is already there' },
  'illegal-transition': { status: 409, title: 'The job is not in a state for that' },
  'job-hidden': { status: 409, title: 'The job is hidden' },
  'runs-here': { status: 409, title: 'Penstock runs this job itself' },
  'node-busy': { status: 409, title: 'The processing node is busy' },
  'account-unusable': { status: 409, title: 'Nothing can be run as that user here' },
  'not-a-service': { status: 409, title: 'The job is not a service' },
  'idempotency-conflict': { status: 409, title: 'That idempotency key belongs to another request' },
  'not-ready': { status: 409, title: 'That is not there yet' },
  'config-refused': { status: 409, title: 'The configuration is not right' },
  gone: { status: 410, title: 'That was here and has been cleared away' },
  'precondition-failed': { status: 412, title: 'It was changed by somebody else meanwhile' },
  'too-large': { status: 413, title: 'The body is larger than this server takes' },
  'unsupported-media-type': { status: 415, title: 'This content type is not understood here' },
  'range-not-satisfiable': { status: 416, title: 'There are no such bytes' },
  'job-failed': { status: 422, title: 'The job failed' },
  'too-many-failed-logins': { status: 429, title: 'Too many failed logins' },
  'too-many-logins': { status: 429, title: 'Too many logins at once' },
  'queue-full': { status: 429, title: 'The queue is full' },
  'stream-full': { status: 429, title: 'A queue of the stream is full' },
  'services-full': { status: 429, title: 'No more services can be started' },
  'too-many-connections': { status: 429, title: 'Too many connections from one address' },
  'too-many-followers': { status: 429, title: 'Too many live streams' },
  internal: { status: 500, title: 'Something went wrong in this server' },
  'detail-post': { status: 501, title: 'Nothing can be posted to a single object' },
  'input-source-failed': { status: 502, title: 'The other server did not give the input' },
  'machine-failed': { status: 502, title: 'The machine did not do what it was asked' },
  'connector-failed': { status: 502, title: 'The cloud did not do what it was asked' },
  'shutting-down': { status: 503, title: 'The server is stopping' },
  'stream-unavailable': { status: 503, title: 'The stream cannot be used right now' },
  'files-unavailable': { status: 503, title: 'The files of the server cannot be used right now' },
  'store-unavailable': { status: 503, title: 'The database cannot be used right now' },
  'disk-full': { status: 507, title: 'There is no room left on the disk' },
} as const;

export type ErrorCode = keyof typeof catalogue;

/** What was sent is named in errors, and may be megabytes long: no text of an error is longer, in characters. */
const longest = 4000;
/** Nor are more problems listed: whoever made this many reads the first ones first. */
const mostProblems = 50;
const cut = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text);

/** An error meant for the caller, cut to what anybody reads. Anything else that is thrown is answered as `internal` and logged. */
export class PenstockError extends Error {
  readonly code: ErrorCode;
  /** Single problems with their places, for validation errors. */
  readonly problems: readonly Problem[];
  /** Headers that belong to the answer, such as `Retry-After`. */
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

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
