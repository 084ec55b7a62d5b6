import { setTimeout as sleep } from 'node:timers/promises';
import type { AskOptions, Client } from './client.js';
import { CliError } from './failure.js';
import { SseParser } from './sse.js';
import { type Answer, ConnectionError } from './transport.js';
import { mayHeal } from './wait.js';

/** Milliseconds without a byte, not even a comment, after which a connection counts as dead. */
const silence = 60_000;
const patience = 120_000;

interface FollowOptions {
  client: Client;
  path: string;
  query?: AskOptions['query'];
  /** `event` is the name of what came. */
  write: (text: string, event: string) => Promise<void>;
  /** Whether nothing more can come; asked when a connection ended without saying so. Left out for what has no end. */
  ended?: () => Promise<boolean>;
}

/**
 * Follows a log, or the events of jobs, to the end if there is one. A cut connection is taken up again where it
 * broke off; and whatever happens to the stream, following ends when the job has ended and the rest has been read
 * once more.
 */
export async function follow({ client, path, query, write, ended }: FollowOptions): Promise<void> {
  const parser = { lastEventId: '', retry: 1000 };
  let last = false;
  let brokenSince: number | undefined;
  for (;;) {
    const before = parser.lastEventId;
    let answered: number | undefined;
    try {
      const headers = {
        Accept: 'text/event-stream',
        ...(parser.lastEventId === '' ? {} : { 'Last-Event-ID': parser.lastEventId }),
      };
      const answer = await client.ask('GET', path, { query: { follow: 1, ...query }, headers, silence });
      answered = Date.now();
      if (answer.status === 204 || (await read(answer, parser, write))) return;
      if (last) return;
      last = (await ended?.()) ?? false;
    } catch (error) {
      if (!mayHeal(error)) throw error;
      // A connection that stood for a while was one, also when nothing happened to tell of.
      const stood = answered !== undefined && Date.now() - answered > patience / 4;
      if (stood || parser.lastEventId !== before) brokenSince = undefined;
      brokenSince ??= Date.now();
      if (Date.now() - brokenSince > patience) throw error;
    }
    if (!last) await sleep(parser.retry);
  }
}

/** Reads one connection; true if the stream said that it is over. */
async function read(
  answer: Answer,
  place: { lastEventId: string; retry: number },
  write: FollowOptions['write'],
): Promise<boolean> {
  if (!answer.headers['content-type']?.startsWith('text/event-stream')) {
    answer.body.destroy();
    throw new CliError('The server cannot follow this.');
  }
  const parser = new SseParser(place.lastEventId);
  answer.body.setEncoding('utf8');
  try {
    for await (const piece of answer.body) {
      for (const event of parser.push(piece as string)) {
        place.retry = parser.state.retry ?? place.retry;
        if (event.event === 'end') return true;
        await write(event.data, event.event);
        // Only after it was written: what was not, has to come again.
        place.lastEventId = event.id;
      }
      // What the stream says of its place without an event counts too.
      place.lastEventId = parser.state.lastEventId;
    }
  } catch (error) {
    if (error instanceof CliError || !isCut(error)) throw error;
    throw new ConnectionError('The connection was cut while following.', { cause: error });
  }
  return false;
}

function isCut(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return (
    code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || message === 'the server has gone silent'
  );
}
