import type { StreamMessage } from '../../drivers/streams/stream.js';
import type { Channels } from './channels.js';

/** What followers of a stream receive; all get the same object. */
export type TapEvent =
  | { kind: 'message'; message: StreamMessage & { redelivered: boolean } }
  /** The connection to the stream is lost or restored: messages published meanwhile are missing. */
  | { kind: 'link'; linked: boolean; reason: string | null }
  | { kind: 'end'; reason: string };

interface Tap {
  /** How many followers it has, or is about to have. */
  users: number;
  listeners: Set<(event: TapEvent) => void>;
  /** Why the stream cannot be read right now, or null. */
  away: string | null;
  opened: Promise<{ close(): Promise<void> }>;
}

/** Reads each followed stream once, for all its followers. */
export function openTaps(channels: Channels) {
  const taps = new Map<string, Tap>();

  function open(name: string): Tap {
    const listeners: Tap['listeners'] = new Set();
    const tell = (event: TapEvent) => {
      for (const listener of listeners) listener(event);
    };
    const unlisten = channels.onRemoved(name, () => {
      // Later followers of this name follow another stream.
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
        tap.away = linked ? null : (reason ?? 'the connection to the stream is lost');
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
     * Passes on everything published on a stream from now on. Rejects with a StreamFailure.
     *
     * @returns why the stream cannot be read right now, or null, and what ends following it
     */
    async join(
      name: string,
      listener: (event: TapEvent) => void,
    ): Promise<{ away: string | null; leave(): Promise<void> }> {
      const tap = taps.get(name) ?? open(name);
      // Counted at once, so that another follower that leaves meanwhile does not close it.
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
