import { receiverKey } from './delivery-attempt.js';
import type { Sequence } from './receiver.js';
import { Receiver } from './receiver.js';

/** All known receivers, and whose turn it is. */
export class Receivers {
  readonly #all = new Map<string, Receiver>();
  /** Receivers with something to send; the one that had its turn last is at the end. */
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

  /** The sequence that may send next, taking turns between receivers; those that are down only if they may be probed. */
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

  /** When the next receiver that is down may be probed; null if there is none. Milliseconds. */
  get probeAt(): number | null {
    let soonest: number | null = null;
    for (const { probeAt } of this.#eager) {
      if (probeAt !== null) soonest = Math.min(soonest ?? probeAt, probeAt);
    }
    return soonest;
  }

  /** Forgets idle receivers. */
  tidy(now: number): void {
    for (const [key, receiver] of this.#all)
      if (receiver.isIdle(now) && !this.#eager.has(receiver)) this.#all.delete(key);
  }
}
