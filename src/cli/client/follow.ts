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
  /** `event` is the name of the event. */
  write: (text: string, event: string) => Promise<void>;
  /** Whether nothing more can come, for connections that end without an `end` event. Omit it for endless streams. */
  ended?: () => Promise<boolean>;
}

/**
 * Follows a log, or the events of jobs, to the end if there is one. Resumes after a lost connection. If the `end` event
 * never comes, it stops once the job has ended and one more connection has read the rest.
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
      // A connection that lasted for a while was fine, even if it carried no events.
      const stood = answered !== undefined && Date.now() - answered > patience / 4;
      if (stood || parser.lastEventId !== before) brokenSince = undefined;
      brokenSince ??= Date.now();
      if (Date.now() - brokenSince > patience) throw error;
    }
    if (!last) await sleep(parser.retry);
  }
}

/** Reads one connection. Returns true after an `end` event. */
async function read(
  answer: Answer,
  place: { lastEventId: string; retry: number },
  write: FollowOptions['write'],
): Promise<boolean> {
  if (!answer.headers['content-type']?.startsWith('text/event-stream')) {
    answer.body.destroy();
    throw new CliError('The server did not answer with a stream of events.');
  }
  const parser = new SseParser(place.lastEventId);
  answer.body.setEncoding('utf8');
  try {
    for await (const piece of answer.body) {
      for (const event of parser.push(piece as string)) {
        place.retry = parser.state.retry ?? place.retry;
        if (event.event === 'end') return true;
        await write(event.data, event.event);
        // Only after the write, so that an event that was not written is sent again.
        place.lastEventId = event.id;
      }
      // A block that holds only an id counts too.
      place.lastEventId = parser.state.lastEventId;
    }
  } catch (error) {
    if (error instanceof CliError || !isCut(error)) throw error;
    throw new ConnectionError('The connection was lost while following.', { cause: error });
  }
  return false;
}

function isCut(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return (
    code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || message === 'the server stopped sending'
  );
}
