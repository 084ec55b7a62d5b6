import { setMaxListeners } from 'node:events';
import type { Request, Response } from 'express';
import { PenstockError } from '../lib/errors.js';
import { actorOf } from './answers/answer.js';
import { type EventStream, eventStream } from './answers/server-sent-events.js';
import { openCounts } from './counts.js';

/** The open live streams. All are opened here, so that they can be limited. */
export interface Followers {
  /** Begins to answer with a live stream. Throws `too-many-followers` at the limit. */
  open(request: Request, response: Response): EventStream;
  /** Ends all of them. */
  close(): void;
}

/** @param limits how many live streams one user may have, and all users together */
export function openFollowers(limits: { perUser: number; all: number }): Followers {
  const closing = new AbortController();
  setMaxListeners(0, closing.signal); // one for each stream
  const counts = openCounts<number>();
  let all = 0;

  const tooMany = (detail: string) =>
    new PenstockError('too-many-followers', detail, { headers: { 'Retry-After': '5' } });

  return {
    open(request, response) {
      const { id } = actorOf(response);
      const count = counts.of(id);
      if (count >= limits.perUser) {
        throw tooMany(
          `You already follow ${count} live streams, and the limit is ${limits.perUser} (MAX_FOLLOWERS_PER_USER). Close some, or ask without follow=1.`,
        );
      }
      if (all >= limits.all) {
        throw tooMany(
          `All ${limits.all} live streams of this server are in use (MAX_FOLLOWERS). Retry later, or ask without follow=1.`,
        );
      }
      const stream = eventStream(request, response, closing.signal);
      if (response.closed) return stream;
      counts.add(id, 1);
      all += 1;
      response.once('close', () => {
        counts.add(id, -1);
        all -= 1;
      });
      return stream;
    },

    close: () => closing.abort(),
  };
}
