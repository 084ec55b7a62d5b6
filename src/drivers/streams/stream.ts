import { sentence } from '../../lib/wording.js';

/** A message to publish. */
export interface StreamMessage {
  /** The same for every attempt, so that a consumer can recognise repetitions; '' if its publisher gave none. */
  id: string;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

/** Why a stream failed: `away` if its broker or disk is unreachable or broken, `full` if one of its queues is full. */
type FailureKind = 'away' | 'full';

/** A stream's failure, with the reason for people. A retry makes sense. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
  readonly kind: FailureKind;

  constructor(message: string, kind: FailureKind = 'away') {
    super(sentence(message));
    this.kind = kind;
  }
}

/** A message as a subscriber gets it. It must be settled once, by `ack` or `giveBack`. */
export interface Delivery extends StreamMessage {
  /** True if it may have been delivered before, to somebody who did not settle it. */
  redelivered: boolean;
  /** It is settled, and never delivered again. Does nothing if the connection to the stream is lost. */
  ack(): void;
  /** Gives it back: it is delivered again, in its old place, as redelivered. */
  giveBack(): void;
}

export interface SubscribeOptions {
  /**
   * The name of the queue to read: it is durable, collects messages while nobody reads, and has one reader at a time;
   * later subscribers wait until the earlier one has left. Null: a queue of the subscriber's own, deleted when it
   * leaves, which never blocks a publisher: when full, it drops the oldest messages.
   */
  queue: string | null;
  /** How many messages may be unsettled at once. */
  prefetch: number;
  /** Called for each message, in order. */
  onMessage(delivery: Delivery): void;
  /**
   * Called with true when messages begin to come, and with false, and why, when the connection to the stream is lost or
   * not there yet; unsettled messages are then redelivered, and settling the old ones does nothing.
   */
  onLink?(linked: boolean, reason: string | null): void;
}

export interface Subscription {
  /** No more messages arrive; the unsettled ones go back. */
  close(): Promise<void>;
}

/** The messages in a queue. */
export interface QueueCounts {
  /** Messages that have not been delivered yet. */
  ready: number;
  /** Messages that were delivered and are not settled. */
  unsettled: number;
}

/** The settings of a stream. A driver ignores those that do not apply to it. */
export interface StreamSettings {
  durable: boolean;
  /** The most messages in a queue: publishing fails temporarily while one of them is full. */
  maxMessages: number;
}

/**
 * Named channels of messages: every queue of a stream gets every message published after the queue was created. One
 * driver for each way of keeping them.
 */
export interface Stream {
  /**
   * Publishes a message. Resolves once it is confirmed as stored; rejects with a StreamFailure, within bounded time, or
   * with the signal's reason. A message may have arrived even though its publishing was rejected. Several may be
   * pending at once: they arrive in the order of the calls.
   *
   * @param queue publishes to this existing queue only, not to the whole stream
   */
  publish(name: string, message: StreamMessage, signal?: AbortSignal, queue?: string): Promise<void>;
  /**
   * Reads a stream until it is closed, and reconnects when the connection is lost. Resolves when the queue exists, or
   * is certain to be retried; a durable queue is created if missing.
   */
  subscribe(name: string, options: SubscribeOptions): Promise<Subscription>;
  /** The contents of a queue; null if there is no such queue. Rejects with a StreamFailure. */
  counts(name: string, queue: string): Promise<QueueCounts | null>;
  /**
   * Removes a durable queue with its messages; or, without `queue`, the stream, whose queues must have been removed
   * before. Its readers must have left. It is no error if it does not exist.
   */
  remove(name: string, queue?: string): Promise<void>;
  /** Waits a moment for pending messages, and releases everything. */
  close(): Promise<void>;
}

/** The part of it that publishers need. */
export type Publisher = Pick<Stream, 'publish' | 'close'>;
