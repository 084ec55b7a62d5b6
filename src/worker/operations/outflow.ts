import { setTimeout as delay } from 'node:timers/promises';
import { redeliveredHeader } from '../../domain/operations/operation.js';
import type { Delivery, StreamMessage } from '../../drivers/streams/stream.js';
import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';

/** What became of a message: a result, a dead letter, or nothing to publish. */
export type Result =
  | { kind: 'result'; message: StreamMessage }
  | { kind: 'dead'; message: StreamMessage }
  | { kind: 'nothing' };

/** A message that we hold until its result is safe. */
export interface Held {
  readonly delivery: Delivery;
  /** It may have been answered before: its result is marked accordingly. */
  again: boolean;
  /** False once the stream has taken it back: nothing more is done for it. */
  ours: boolean;
  result: Result | null;
  sent: boolean;
  safe: boolean;
}

interface OutflowOptions {
  /** Resolves when the message is safe. */
  publish: (kind: 'result' | 'dead', message: StreamMessage) => Promise<void>;
  /** Called when a message is settled: its result is safe and it is acknowledged. */
  onSettled: (held: Held, result: Result) => void;
  /** Called with the reason while nothing can be published, and with null when publishing works again. */
  onTrouble: (reason: string | null) => void;
  backoff?: Backoff;
}

/** Results being published at once. Streams keep their order. */
const mostPublishing = 256;

/**
 * The output of an operation: results come in any order and are published in the order of their messages. Each message
 * is acknowledged once its result is safe. Failed publishing is retried as long as we hold the message.
 */
export class Outflow {
  readonly #options: OutflowOptions;
  readonly #backoff: Backoff;
  /** In order of arrival. */
  #held: Held[] = [];
  /** Index of the first that is not being published yet. */
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

  /** Adds a message behind all others. */
  hold(delivery: Delivery): Held {
    const { redelivered: again } = delivery;
    const held: Held = { delivery, again, ours: true, result: null, sent: false, safe: false };
    this.#held.push(held);
    return held;
  }

  /** Sets the result of a message. */
  settle(held: Held, result: Result): void {
    if (!held.ours) return;
    held.result = result;
    this.#pump();
  }

  /** The stream has taken back everything that was not acknowledged. */
  drop(): void {
    for (const held of this.#held) held.ours = false;
    this.#held = [];
    this.#next = 0;
    this.#head = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tell(null);
  }

  /** Waits up to so many milliseconds for results being published; sends no others. */
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
    // A result without a confirmation may still have arrived.
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

  /** After a while, everything from the first unsafe result on is sent again. */
  #failed(reason: string): void {
    this.#tell(reason);
    if (this.#timer !== undefined || this.#closed) return;
    this.#failures += 1;
    this.#timer = setTimeout(
      () => this.#resume(),
      backoffDelay(this.#backoff, this.#failures, Math.random()),
    );
  }

  /** Only once nothing is being published: otherwise a later failure could overtake an earlier one. */
  #resume(): void {
    if (this.#publishing > 0) {
      this.#timer = setTimeout(() => this.#resume(), 20);
      return;
    }
    this.#timer = undefined;
    this.#next = this.#head;
    this.#pump();
  }

  /** Acknowledges safe results, oldest first. */
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
