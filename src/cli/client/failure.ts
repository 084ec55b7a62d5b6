import { messageOf, PenstockError, type Problem } from '../../lib/errors.js';
import { type CliIo, harmless } from '../terminal/io.js';

/** The exit codes of the command line itself; `penstock run` adds those of the program that it ran. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  timeout: 124,
  interrupted: 130,
  brokenPipe: 141,
} as const;

/** A command cannot go on; `message` says why, `hints` what can be done about it. */
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

/** What has been said already: ends the command with an exit code and without another word. */
export class Ended extends CliError {
  constructor(exitCode: number) {
    super('', { exitCode });
    this.name = 'Ended';
  }
}

/** The server said no. */
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
  /** What the older actor platform's envelope has instead. */
  message?: string;
  title?: string;
  detail?: string;
  type?: string;
  problems: Problem[];
}

/** Makes an error of an answer that is none of 2xx. The body may be empty, or not ours at all. */
export function serverError(status: number, retryAfter: string | undefined, body: string): ServerError {
  const hints: string[] = [];
  if (status === 401) hints.push('Give a login: PENSTOCK_USER and PENSTOCK_PASSWORD, or PENSTOCK_TOKEN.');
  if (retryAfter !== undefined && /^\d+$/.test(retryAfter)) hints.push(`Try again in ${retryAfter} s.`);
  return new ServerError(status, errorBody(status, body), hints);
}

function errorBody(status: number, text: string): ErrorBody {
  const empty: ErrorBody = { problems: [] };
  if (text.trim() === '') {
    if (status === 401) empty.title = 'A login is needed, or this one is wrong.';
    if (status === 404) empty.title = 'There is no such thing on this server.';
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

/** The scheduler's envelope has its message, or the object that has it, in `content`. */
function unwrapped({ content, ...body }: Record<string, unknown>): Record<string, unknown> {
  if (typeof content === 'string') return { ...body, message: content };
  return typeof content === 'object' && content !== null ? unwrapped({ ...body, ...content }) : body;
}

function isProblem(value: unknown): value is Problem {
  const candidate = value as Partial<Problem> | null;
  return typeof candidate?.pointer === 'string' && typeof candidate.detail === 'string';
}

/** The text for standard error: what happened, where, and what to do. Coloured where asked for. */
export function renderError(thrown: unknown, colour: boolean): string {
  const red = (text: string) => (colour ? `\x1b[31;1m${text}\x1b[0m` : text);
  const dim = (text: string) => (colour ? `\x1b[2m${text}\x1b[0m` : text);
  const lines: string[] = [];
  const problems =
    thrown instanceof ServerError || thrown instanceof PenstockError ? thrown.problems : ([] as Problem[]);
  const { title, detail, code } = partsOf(thrown);
  lines.push(`${red('penstock:')} ${harmless(title)}${code === undefined ? '' : ` ${dim(`(${code})`)}`}`);
  // The detail of a validation error mostly repeats its problems in one line; they are clearer one by one.
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
    // An envelope without a title repeats the problems in its one message; they are clearer one by one.
    const repeats = problems.length > 0 && problems.every(({ detail }) => message.includes(detail));
    const title = thrown.title ?? (repeats ? 'The server does not take this' : undefined);
    const code = { ...(thrown.code === undefined ? {} : { code: thrown.code }) };
    return title === undefined || title === message
      ? { title: message, ...code }
      : { title, detail: message, ...code };
  }
  if (thrown instanceof PenstockError) return { title: thrown.message, code: thrown.code };
  return { title: messageOf(thrown) };
}

/** Whether to write in colour: on a terminal that can, and whose user did not say no (no-color.org). */
export function wantsColour(io: CliIo): boolean {
  return io.stderr.isTTY === true && !io.env.NO_COLOR && io.env.TERM !== 'dumb';
}
