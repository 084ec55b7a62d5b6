import { ConnectorError, type ConnectorProblem } from '../connector.js';
import type { Answer } from './wire.js';

/** A request to an OpenStack service failed. */
export class OpenStackError extends ConnectorError {
  readonly status: number;

  constructor(problem: ConnectorProblem, status: number, message: string) {
    super(problem, message);
    this.status = status;
  }
}

/** True for an error that says that something does not exist. */
export const isMissing = (error: unknown): boolean => error instanceof OpenStackError && error.status === 404;

const longest = 500;

/** What an answer's status and text mean; the first match counts. */
const meanings: readonly { status: RegExp; words: RegExp; problem: ConnectorProblem }[] = [
  {
    status: /./,
    words: /no more IP addresses|no more .*addresses available|no valid host/i,
    problem: 'no-capacity',
  },
  // Nova's quota errors have the status of a refused policy, Neutron's that of a conflict: only the text differs.
  {
    status: /^(403|409|413)$/,
    words: /OverQuota|quota|maximum (number of|stacks)|exceed|over the limit/i,
    problem: 'quota',
  },
  { status: /^413$/, words: /./, problem: 'quota' },
  { status: /^409$/, words: /multiple possible networks|ambiguous/i, problem: 'refused' },
  // It is busy with something else.
  { status: /^(409|408|425|429|5..)$/, words: /^/, problem: 'unavailable' },
  { status: /^3..$/, words: /^/, problem: 'refused' },
];

/**
 * Makes an error from an answer that reports one.
 *
 * @param asked the service and request, such as `compute: POST /servers`
 */
export function problemOf(asked: string, answer: Answer): OpenStackError {
  const { status, body } = answer;
  const { type, message } = toldBy(body);
  const text = `${type} ${message}`;
  const found = meanings.find((each) => each.status.test(String(status)) && each.words.test(text));
  const problem = found?.problem ?? 'refused';
  const words = harmless(message);
  const detail = words === '' ? `answered ${status}` : `answered ${status}: ${words}`;
  return new OpenStackError(problem, status, `${asked} ${detail}`);
}

/** What the fault of a server or stack means; null if its text does not tell. */
export function problemOfFault(fault: string): ConnectorProblem | null {
  if (/no valid host|not enough hosts|no more .*addresses available|insufficient/i.test(fault))
    return 'no-capacity';
  if (/quota|maximum number of|over the limit/i.test(fault)) return 'quota';
  return null;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The text of an error, without the wrapper that each service puts around it. */
function toldBy(body: unknown): { type: string; message: string } {
  if (typeof body === 'string') return { type: '', message: withoutMarkup(body) };
  if (!isMap(body)) return { type: '', message: '' };
  // Neutron: {NeutronError: {type, message}}, Heat and Keystone: {error: {…}}, Nova: {itemNotFound: {code, message}}.
  for (const inner of [body.NeutronError, body.error, ...Object.values(body)]) {
    if (typeof inner === 'string' && (inner === body.NeutronError || inner === body.error))
      return { type: '', message: inner };
    if (isMap(inner) && textOf(inner.message) !== '')
      return { type: textOf(inner.type), message: textOf(inner.message) };
  }
  return { type: '', message: textOf(body.message) || textOf(body.explanation) };
}

/** The text of an HTML page, as Glance and proxies answer with. */
function withoutMarkup(html: string): string {
  const body = /<body[^>]*>([\s\S]*)/i.exec(html)?.[1] ?? html;
  return body.replace(/<[^>]*>/g, ' ').replace(/&[a-z#0-9]+;/gi, ' ');
}

/** An error's text without the request: services like to repeat a body that they reject, passwords and all. */
function harmless(message: string): string {
  const [first = ''] = message.trim().split(/\n\s*\n|\n\s*(?=Failed validating|On instance)/);
  const line = first
    .replace(/\s+/g, ' ')
    .replace(/(Value: ).*/, '(what was sent is not repeated here)')
    .trim();
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}
