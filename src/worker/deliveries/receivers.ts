import { receiverKey } from './delivery-attempt.js';
import type { Sequence } from './receiver.js';
import { Receiver } from './receiver.js';

/** All receivers that something is known of, and whose turn it is. */
export class Receivers {
  readonly #all = new Map<string, Receiver>();
  /** Those with something to send, the one that had its turn last at the end. */
  readonly #eager = new Set<Receiver>();

  of(url: string): Receiver {
    const key = receiverKey(url);
    let receiver = this.#all.get(key);
    if (receiver === undefined) {
      receiver = new Receiver(key);
      this.#all.set(key, receiver);
    }
    return receiver;
  }

  /** A sequence that may send. */
  enter(sequence: Sequence): void {
    sequence.receiver.add(sequence);
    this.#eager.add(sequence.receiver);
  }

  /** An attempt is over. */
  ended(receiver: Receiver): void {
    receiver.ended();
    this.#eager.add(receiver);
  }

  /** The sequence that may send next, each receiver in its turn; those that are down only if they may be tried. */
  next(now: number, mayProbe: boolean): Sequence | undefined {
    for (const receiver of this.#eager) {
      if (receiver.down && !mayProbe) continue;
      const sequence = receiver.next(now);
      if (sequence === undefined) {
        if (receiver.probeAt === null) this.#eager.delete(receiver);
        continue;
      }
      this.#eager.delete(receiver);
      this.#eager.add(receiver);
      return sequence;
    }
    return undefined;
  }

  /** When one that is down may be tried again; null if there is none to wait for. Milliseconds. */
  get probeAt(): number | null {
    let soonest: number | null = null;
    for (const { probeAt } of this.#eager) {
      if (probeAt !== null) soonest = Math.min(soonest ?? probeAt, probeAt);
    }
    return soonest;
  }

  /** Forgets those that there is nothing to know of. */
  tidy(now: number): void {
    for (const [key, receiver] of this.#all)
      if (receiver.isIdle(now) && !this.#eager.has(receiver)) this.#all.delete(key);
  }
}
