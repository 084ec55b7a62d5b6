import { randomUUID } from 'node:crypto';
import type { StreamMessage } from '../../drivers/streams/stream.js';
import { PenstockError } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';
import type { Actor } from '../actor.js';
import type { Channels } from './channels.js';
import { streamError } from './stream-error.js';
import type { StreamService } from './streams.js';
import { openTaps, type TapEvent } from './taps.js';

export type { StreamMessage };

/** What a follower receives. */
export type FollowEvent =
  | TapEvent
  /** So many messages were skipped because the follower was too slow. */
  | { kind: 'left_out'; count: number };

interface Follower {
  /** The oldest event that has not been taken yet. */
  take(): FollowEvent | undefined;
  close(): Promise<void>;
}

/** How much is kept for a follower that is slower than its stream. */
const waiting = { messages: 1000, bytes: 8 * 2 ** 20 };
/** How much of one request is being published at once. */
const group = { messages: 500, bytes: 4 * 2 ** 20 };

/** Messages that users put on streams, and read. */
export function streamMessages(streams: StreamService, channels: Channels) {
  const taps = openTaps(channels);

  async function publish(name: string, message: StreamMessage): Promise<void> {
    try {
      await channels.publish(name, message);
    } catch (error) {
      throw streamError(error);
    }
  }

  /** Publishes a group of messages in order, and throws for the first that the stream did not accept. */
  async function publishGroup(name: string, group: readonly StreamMessage[], before: number): Promise<void> {
    const answers = await Promise.allSettled(group.map((message) => publish(name, message)));
    const failed = answers.findIndex(({ status }) => status === 'rejected');
    if (failed < 0) return;
    const { reason } = answers[failed] as PromiseRejectedResult;
    const taken = answers.filter(({ status }) => status === 'fulfilled').length;
    if (!(reason instanceof PenstockError)) throw reason;
    throw new PenstockError(
      reason.code,
      `${reason.message} Message ${before + failed + 1} is the first that was not published; ${before + taken} were.`,
      { headers: { ...reason.headers }, cause: reason },
    );
  }

  return {
    /** Throws unless the stream exists and is the actor's. */
    check: (actor: Actor, name: string): void => void streams.need(actor, name),

    /** Publishes a message; returns its id once the stream has stored it. */
    async publish(actor: Actor, name: string, message: StreamMessage): Promise<string> {
      streams.need(actor, name);
      const id = message.id === '' ? randomUUID() : message.id;
      await publish(name, { ...message, id });
      return id;
    },

    /**
     * Publishes one message for each body, in order; returns how many. With an id, their ids are `<id>-1`, `<id>-2` and
     * so on; otherwise each gets its own.
     */
    async publishAll(
      actor: Actor,
      name: string,
      bodies: AsyncIterable<Buffer>,
      { id, contentType, headers }: Omit<StreamMessage, 'body'>,
    ): Promise<number> {
      streams.need(actor, name);
      let published = 0;
      let next: StreamMessage[] = [];
      let bytes = 0;
      const pace = pacer();
      const flush = async () => {
        await pace();
        await publishGroup(name, next, published);
        published += next.length;
        next = [];
        bytes = 0;
      };
      try {
        for await (const body of bodies) {
          const own = id === '' ? randomUUID() : `${id}-${published + next.length + 1}`;
          next.push({ id: own, contentType, headers, body });
          bytes += body.length;
          if (next.length >= group.messages || bytes >= group.bytes) await flush();
        }
      } catch (error) {
        // A stream's refusal already gives the count; an error in the body comes after whole messages.
        if (!(error instanceof PenstockError) || error.cause instanceof PenstockError) throw error;
        await flush();
        const detail = `${error.message} Messages published before that: ${published}.`;
        throw new PenstockError(error.code, detail, { headers: { ...error.headers }, cause: error });
      }
      await flush();
      return published;
    },

    /**
     * Follows everything published from now on. A follower that is too slow misses messages, and is told so.
     *
     * @param ring called when there is something to take
     */
    async follow(actor: Actor, name: string, ring: () => void): Promise<Follower> {
      streams.need(actor, name);
      const events: FollowEvent[] = [];
      let messages = 0;
      let bytes = 0;
      let begun = false;
      const tell = (event: TapEvent) => {
        if (event.kind === 'message') {
          if (messages >= waiting.messages || bytes >= waiting.bytes) {
            const last = events.at(-1);
            if (last?.kind === 'left_out') last.count += 1;
            else events.push({ kind: 'left_out', count: 1 });
            ring();
            return;
          }
          messages += 1;
          bytes += event.message.body.length;
        }
        if (event.kind === 'link' && !begun) return;
        events.push(event);
        ring();
      };
      const { away, leave } = await taps.join(name, tell).catch((error: unknown) => {
        throw streamError(error);
      });
      if (away !== null) {
        await leave();
        const detail = `The stream ${name} cannot be read: ${away}`;
        throw new PenstockError('stream-unavailable', detail, { headers: { 'Retry-After': '5' } });
      }
      begun = true;
      return {
        take() {
          const event = events.shift();
          if (event?.kind === 'message') {
            messages -= 1;
            bytes -= event.message.body.length;
          }
          return event;
        },
        close: leave,
      };
    },
  };
}

export type StreamMessages = ReturnType<typeof streamMessages>;
