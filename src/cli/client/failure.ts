import { messageOf, PenstockError, type Problem } from '../../lib/errors.js';
import { type CliIo, harmless } from '../terminal/io.js';

/** The exit codes of the command line itself. `penstock run` also passes on those of the program. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  timeout: 124,
  interrupted: 130,
  brokenPipe: 141,
} as const;

/** A command cannot continue. `message` says why, `hints` what to do about it. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly hints: readonly string[];

  constructor(message: string, more: { exitCode?: number; hints?: readonly string[]; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'CliError';
    this.exitCode = more.exitCode ?? exitCodes.failed;
    this.hints = more.hints ?? [];
  }
}

/** The command line is wrong: exit code 2. */
export function usageError(message: string, ...hints: string[]): CliError {
  return new CliError(message, { exitCode: exitCodes.usage, hints });
}

/** Ends the command with an exit code and no message, because everything has been reported already. */
export class Ended extends CliError {
  constructor(exitCode: number) {
    super('', { exitCode });
    this.name = 'Ended';
  }
}

/** The server refused a request. */
export class ServerError extends CliError {
  readonly status: number;
  readonly problems: readonly Problem[];
  readonly title: string | undefined;
  readonly code: string | undefined;

  constructor(status: number, body: ErrorBody, hints: readonly string[] = []) {
    super(
      body.detail ?? body.error ?? body.message ?? body.title ?? `The server answered with status ${status}.`,
      { hints },
    );
    this.name = 'ServerError';
    this.status = status;
    this.title = body.title;
    this.code = body.type === 'about:blank' ? undefined : body.type?.split(/[/#:]/).at(-1) || undefined;
    this.problems = body.problems;
  }
}

interface ErrorBody {
  error?: string;
  /** The older actor platform's envelope uses this instead of `error`. */
  message?: string;
  title?: string;
  detail?: string;
  type?: string;
  problems: Problem[];
}

/** Turns an answer that is not 2xx into an error. The body may be empty, or come from some other server. */
export function serverError(status: number, retryAfter: string | undefined, body: string): ServerError {
  const hints: string[] = [];
  if (status === 401) hints.push('Set PENSTOCK_USER and PENSTOCK_PASSWORD, or PENSTOCK_TOKEN.');
  if (retryAfter !== undefined && /^\d+$/.test(retryAfter)) hints.push(`Try again in ${retryAfter} s.`);
  return new ServerError(status, errorBody(status, body), hints);
}

function errorBody(status: number, text: string): ErrorBody {
  const empty: ErrorBody = { problems: [] };
  if (text.trim() === '') {
    if (status === 401) empty.title = 'The login is missing or wrong.';
    if (status === 404) empty.title = 'Not found on this server.';
    return empty;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ...empty, detail: `The server answered with status ${status}: ${text.trim().slice(0, 200)}` };
  }
  if (typeof value !== 'object' || value === null) return empty;
  const body = unwrapped(value as Record<string, unknown>);
  for (const key of ['error', 'message', 'title', 'detail', 'type'] as const) {
    const member = body[key];
    if (typeof member === 'string') empty[key] = member;
  }
  if (Array.isArray(body.errors)) empty.problems = body.errors.filter(isProblem);
  return empty;
}

/** The scheduler's envelope has the message in `content`, or in an object in `content`. */
function unwrapped({ content, ...body }: Record<string, unknown>): Record<string, unknown> {
  if (typeof content === 'string') return { ...body, message: content };
  return typeof content === 'object' && content !== null ? unwrapped({ ...body, ...content }) : body;
}

function isProblem(value: unknown): value is Problem {
  const candidate = value as Partial<Problem> | null;
  return typeof candidate?.pointer === 'string' && typeof candidate.detail === 'string';
}

/** The text for standard error: what happened, where, and what to do. */
export function renderError(thrown: unknown, colour: boolean): string {
  const red = (text: string) => (colour ? `\x1b[31;1m${text}\x1b[0m` : text);
  const dim = (text: string) => (colour ? `\x1b[2m${text}\x1b[0m` : text);
  const lines: string[] = [];
  const problems =
    thrown instanceof ServerError || thrown instanceof PenstockError ? thrown.problems : ([] as Problem[]);
  const { title, detail, code } = partsOf(thrown);
  lines.push(`${red('penstock:')} ${harmless(title)}${code === undefined ? '' : ` ${dim(`(${code})`)}`}`);
  // The detail of a validation error usually repeats its problems on one line. A line for each is clearer.
  const told = problems.map((problem) => problem.detail);
  if (detail !== undefined && !told.some((text) => detail.includes(text)))
    lines.push(`  ${harmless(detail)}`);
  const width = Math.max(0, ...problems.map((problem) => problem.pointer.length));
  for (const { pointer, detail: text } of problems) {
    lines.push(`  ${harmless(pointer || '/').padEnd(width)}  ${harmless(text)}`);
  }
  if (thrown instanceof CliError) lines.push(...thrown.hints.map((hint) => `  ${dim(harmless(hint))}`));
  return lines.join('\n');
}

function partsOf(thrown: unknown): { title: string; detail?: string; code?: string } {
  if (thrown instanceof ServerError) {
    const { message, problems } = thrown;
    // An envelope without a title repeats the problems in its message. A line for each is clearer.
    const repeats = problems.length > 0 && problems.every(({ detail }) => message.includes(detail));
    const title = thrown.title ?? (repeats ? 'The server rejected the request' : undefined);
    const code = { ...(thrown.code === undefined ? {} : { code: thrown.code }) };
    return title === undefined || title === message
      ? { title: message, ...code }
      : { title, detail: message, ...code };
  }
  if (thrown instanceof PenstockError) return { title: thrown.message, code: thrown.code };
  return { title: messageOf(thrown) };
}

/** Whether to write in colour: on a terminal that supports it, unless NO_COLOR is set (no-color.org). */
export function wantsColour(io: CliIo): boolean {
  return io.stderr.isTTY === true && !io.env.NO_COLOR && io.env.TERM !== 'dumb';
}
