import type { StreamMessage } from '../../drivers/streams/stream.js';
import type { Channels } from './channels.js';

/** What those who follow a stream are told, each the same object. */
export type TapEvent =
  | { kind: 'message'; message: StreamMessage & { redelivered: boolean } }
  /** The way to the stream is lost, or there again: what was published meanwhile did not come. */
  | { kind: 'link'; linked: boolean; reason: string | null }
  | { kind: 'end'; reason: string };

interface Tap {
  /** How many follow it, or are about to. */
  users: number;
  listeners: Set<(event: TapEvent) => void>;
  /** Why the stream cannot be read right now, or null. */
  away: string | null;
  opened: Promise<{ close(): Promise<void> }>;
}

/** One reading of each stream that is followed, for all who follow it. */
export function openTaps(channels: Channels) {
  const taps = new Map<string, Tap>();

  function open(name: string): Tap {
    const listeners: Tap['listeners'] = new Set();
    const tell = (event: TapEvent) => {
      for (const listener of listeners) listener(event);
    };
    const unlisten = channels.onRemoved(name, () => {
      // Who follows a stream of that name from now on follows another one.
      if (taps.get(name) === tap) taps.delete(name);
      tell({ kind: 'end', reason: 'the stream was removed' });
    });
    const subscribed = channels.subscribe(name, {
      queue: null,
      prefetch: 500,
      onMessage({ id, contentType, headers, body, redelivered, ack }) {
        ack();
        tell({ kind: 'message', message: { id, contentType, headers, body, redelivered } });
      },
      onLink(linked, reason) {
        tap.away = linked ? null : (reason ?? 'the way to the stream is lost');
        tell({ kind: 'link', linked, reason });
      },
    });
    const close = async () => {
      unlisten();
      await (await subscribed).close();
    };
    const opened = subscribed.then(
      () => ({ close }),
      (error: unknown) => {
        unlisten();
        throw error;
      },
    );
    const tap: Tap = { users: 0, listeners, away: null, opened };
    taps.set(name, tap);
    return tap;
  }

  return {
    /**
     * Tells everything that is published on a stream from now on. Rejects with a StreamFailure.
     *
     * @returns why the stream cannot be read right now, or null, and the way to end it
     */
    async join(
      name: string,
      listener: (event: TapEvent) => void,
    ): Promise<{ away: string | null; leave(): Promise<void> }> {
      const tap = taps.get(name) ?? open(name);
      // Counted at once: whoever else leaves meanwhile does not close it.
      tap.users += 1;
      const left = () => {
        tap.users -= 1;
        if (tap.users === 0 && taps.get(name) === tap) taps.delete(name);
        return tap.users === 0;
      };
      let opened: Awaited<Tap['opened']>;
      try {
        opened = await tap.opened;
      } catch (error) {
        left();
        throw error;
      }
      tap.listeners.add(listener);
      return {
        away: tap.away,
        async leave() {
          tap.listeners.delete(listener);
          if (left()) await opened.close();
        },
      };
    },
  };
}
