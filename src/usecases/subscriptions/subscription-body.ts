import { events } from '../../domain/jobs/job-state.js';
import type { Problem } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { isPlainlyPrivate, readUrl } from '../../lib/public-address.js';
import { validator } from '../../lib/schemas.js';
import { show } from '../../lib/wording.js';
import { invalid } from '../body.js';

const longestUrl = 2048;

/** One of a job's own subscriptions, checked. */
interface OwnSubscription {
  url: string;
  events: string[] | null;
  format: string;
}

/** The event names without repetition, in the order of the table; adds a problem for an unknown name. */
function checkedEvents(names: readonly string[], pointer: string, problems: Problem[]): string[] {
  for (const [index, name] of names.entries()) {
    if ((events as readonly string[]).includes(name)) continue;
    const near = nearest(name, events);
    problems.push({
      pointer: below(pointer, index),
      detail: `there is no event ${show(name)}; ${near ? `did you mean "${near}"?` : `there are ${events.join(', ')}`}`,
    });
  }
  return events.filter((name) => names.includes(name));
}

/** The URL in its stored form; adds a problem if it is wrong. */
function checkedUrl(text: string, pointer: string, allowPrivate: boolean, problems: Problem[]): string {
  const wrong = (detail: string) => {
    problems.push({ pointer, detail });
    return text;
  };
  const read = readUrl(text);
  if (read.url === undefined) {
    const why = {
      malformed: `${show(text)} is not a URL such as https://example.org/hook`,
      scheme: `webhooks need http or https, not ${show(read.scheme)}`,
      credentials: 'a URL must not contain a name or password; receivers verify the signature',
    };
    return wrong(why[read.flaw]);
  }
  if (!allowPrivate && isPlainlyPrivate(read.url)) {
    return wrong(
      `${read.url.hostname} is not a public address; private ones are allowed by WEBHOOK_PRIVATE_ADDRESSES in application.yaml`,
    );
  }
  read.url.hash = '';
  return read.url.href.length > longestUrl ? wrong(`longer than ${longestUrl} characters`) : read.url.href;
}

/**
 * Checks the parts of a body that a schema cannot: the event names, and the URL, which is stored in its normal form.
 * Throws `invalid-body`.
 */
export function checkedParts(
  body: { url?: string; events?: readonly string[] | null },
  pointer: string,
  allowPrivate: boolean,
): { url?: string; events?: string[] | null } {
  const problems: Problem[] = [];
  const { url, events: names } = body;
  const checked = {
    ...(url === undefined ? {} : { url: checkedUrl(url, below(pointer, 'url'), allowPrivate, problems) }),
    ...(names === undefined
      ? {}
      : { events: names === null ? null : checkedEvents(names, below(pointer, 'events'), problems) }),
  };
  if (problems.length > 0) throw invalid('invalid-body', problems);
  return checked;
}

const checkList = validator('job-subscriptions');

/**
 * A job's own subscriptions as they are given with it: `[{"url", "events"?, "format"?}]`, at most 20. Throws
 * `invalid-body` with the place of the problem.
 *
 * @param pointer where the list is in its body
 * @param allowPrivate whether events may be sent to private addresses
 */
export function checkedSubscriptions(
  value: unknown,
  pointer: string,
  allowPrivate: boolean,
): OwnSubscription[] {
  const problems = checkList(value, pointer);
  if (problems.length > 0) throw invalid('invalid-body', problems);
  const given = value as { url: string; events?: string[] | null; format?: string }[];
  return given.map((one, index) => {
    const { url = '', events: names = null } = checkedParts(one, below(pointer, index), allowPrivate);
    return { url, events: names, format: one.format ?? 'json' };
  });
}
