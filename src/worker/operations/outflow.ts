import { setTimeout as delay } from 'node:timers/promises';
import { redeliveredHeader } from '../../domain/operations/operation.js';
import type { Delivery, StreamMessage } from '../../drivers/streams/stream.js';
import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';

/** What came of a message: a result, a dead letter, or nothing that is to be published. */
export type Result =
  | { kind: 'result'; message: StreamMessage }
  | { kind: 'dead'; message: StreamMessage }
  | { kind: 'nothing' };

/** A message that is ours until its result is safe. */
export interface Held {
  readonly delivery: Delivery;
  /** It may have been answered before: what is published for it says so. */
  again: boolean;
  /** False once the stream has taken it back: nothing is to be done for it any more. */
  ours: boolean;
  result: Result | null;
  sent: boolean;
  safe: boolean;
}

interface OutflowOptions {
  /** Resolves when the message is safe. */
  publish: (kind: 'result' | 'dead', message: StreamMessage) => Promise<void>;
  /** Called when a message is done with: its result is safe and it is acknowledged. */
  onSettled: (held: Held, result: Result) => void;
  /** Called with why nothing can be published for the time being, and with null when it can again. */
  onTrouble: (reason: string | null) => void;
  backoff?: Backoff;
}

/** Results on their way at once. Streams keep the order of those that arrive. */
const mostPublishing = 256;

/**
 * The way out of an operation: results come in any order and are published in the order of their messages; each
 * message is acknowledged once what came of it is safe. What could not be published is tried again, for as long as the
 * message is ours.
 */
export class Outflow {
  readonly #options: OutflowOptions;
  readonly #backoff: Backoff;
  /** In the order in which they came. */
  #held: Held[] = [];
  /** Index of the first that is not on its way yet. */
  #next = 0;
  /** Index of the first that is not settled. */
  #head = 0;
  #publishing = 0;
  #failures = 0;
  #trouble: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OutflowOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? { initial: 0.2, factor: 2, maximum: 5 };
  }

  /** How many messages are held. */
  get size(): number {
    return this.#held.length - this.#head;
  }

  /** Takes a message in, behind all others. */
  hold(delivery: Delivery): Held {
    const { redelivered: again } = delivery;
    const held: Held = { delivery, again, ours: true, result: null, sent: false, safe: false };
    this.#held.push(held);
    return held;
  }

  /** Says what came of a message. */
  settle(held: Held, result: Result): void {
    if (!held.ours) return;
    held.result = result;
    this.#pump();
  }

  /** The stream has taken back all that was not acknowledged. */
  drop(): void {
    for (const held of this.#held) held.ours = false;
    this.#held = [];
    this.#next = 0;
    this.#head = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tell(null);
  }

  /** Lets what is on its way arrive, for so many milliseconds; what else there is, is not sent any more. */
  async finish(patience: number): Promise<void> {
    this.#closed = true;
    const end = performance.now() + patience;
    while (this.#publishing > 0 && performance.now() < end) await delay(5);
    this.drop();
  }

  #tell(reason: string | null): void {
    if (this.#trouble === reason) return;
    this.#trouble = reason;
    this.#options.onTrouble(reason);
  }

  #pump(): void {
    while (!this.#closed && this.#timer === undefined && this.#publishing < mostPublishing) {
      const held = this.#held[this.#next];
      if (held?.result == null) return;
      this.#next += 1;
      if (!held.safe) this.#send(held, held.result);
    }
  }

  #send(held: Held, result: Result): void {
    if (result.kind === 'nothing') {
      held.safe = true;
      this.#letGo();
      return;
    }
    // One whose confirmation did not come may have arrived all the same.
    const again = held.again || held.sent;
    held.sent = true;
    this.#publishing += 1;
    this.#options
      .publish(result.kind, again ? marked(result.message) : result.message)
      .then(
        () => {
          held.safe = true;
          this.#failures = 0;
          if (!held.ours) return;
          this.#tell(null);
          this.#letGo();
        },
        (error: unknown) => {
          if (held.ours) this.#failed(messageOf(error));
        },
      )
      .finally(() => {
        this.#publishing -= 1;
        this.#pump();
      });
  }

  /** From the first that is not safe on all is sent once more, a while later. */
  #failed(reason: string): void {
    this.#tell(reason);
    if (this.#timer !== undefined || this.#closed) return;
    this.#failures += 1;
    this.#timer = setTimeout(
      () => this.#resume(),
      backoffDelay(this.#backoff, this.#failures, Math.random()),
    );
  }

  /** Only when nothing is on its way any more: what failed last would otherwise come before what failed first. */
  #resume(): void {
    if (this.#publishing > 0) {
      this.#timer = setTimeout(() => this.#resume(), 20);
      return;
    }
    this.#timer = undefined;
    this.#next = this.#head;
    this.#pump();
  }

  /** Acknowledges what is safe, from the oldest on. */
  #letGo(): void {
    for (;;) {
      const held = this.#held[this.#head];
      if (held === undefined || !held.safe || held.result === null) break;
      this.#head += 1;
      held.ours = false;
      held.delivery.ack();
      this.#options.onSettled(held, held.result);
    }
    if (this.#head > 1000 || this.#head === this.#held.length) {
      this.#held = this.#held.slice(this.#head);
      this.#next -= this.#head;
      this.#head = 0;
    }
  }
}

function marked(message: StreamMessage): StreamMessage {
  return { ...message, headers: { ...message.headers, [redeliveredHeader]: 'true' } };
}
