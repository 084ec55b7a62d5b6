import { sentence } from '../../lib/wording.js';

/** What is put on a stream. */
export interface StreamMessage {
  /** The same for every attempt, so that a consumer can tell what it has seen; '' if its publisher gave none. */
  id: string;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

/**
 * Why a stream could not do what it was asked: `away` is whoever keeps it out of reach or out of order, `full` is one
 * of its queues.
 */
type FailureKind = 'away' | 'full';

/** A channel of messages that could not do what it was asked, with the reason for people. Trying again is right. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
  readonly kind: FailureKind;

  constructor(message: string, kind: FailureKind = 'away') {
    super(sentence(message));
    this.kind = kind;
  }
}

/** A message as a subscriber gets it. It is the stream's until it is settled, once, by one of the two. */
export interface Delivery extends StreamMessage {
  /** True if it may have been given out before: to somebody who did not settle it. */
  redelivered: boolean;
  /** It is done with, and never given out again. Where the way to the stream is lost this does nothing. */
  ack(): void;
  /** Gives it back: it is given out again, in its old place, as redelivered. */
  giveBack(): void;
}

export interface SubscribeOptions {
  /**
   * The name of the queue that is read: it lasts, collects what is published while nobody reads, and is read by one
   * subscriber at a time; who comes later waits until the one before has left. Null: one of the subscriber's own, gone
   * when it leaves, which never holds up a publisher: what is too much for it is left out, the oldest first.
   */
  queue: string | null;
  /** How many messages may be out unsettled at once. */
  prefetch: number;
  /** Called for each message, in order. */
  onMessage(delivery: Delivery): void;
  /**
   * Called with true when messages begin to come, and with false, and why, when the way to the stream is lost or not
   * there yet; unsettled messages are then given out anew, as redelivered, and settling the old ones does nothing.
   */
  onLink?(linked: boolean, reason: string | null): void;
}

export interface Subscription {
  /** No message comes any more; the unsettled ones go back. */
  close(): Promise<void>;
}

/** What waits in a queue. */
export interface QueueCounts {
  /** Messages that nobody has been given yet. */
  ready: number;
  /** Messages that were given out and are not settled. */
  unsettled: number;
}

/** How a stream is kept. A driver leaves aside what has no meaning for it. */
export interface StreamSettings {
  durable: boolean;
  /** What a queue holds at most: publishing fails, as for the time being, while one of them is full. */
  maxMessages: number;
}

/**
 * Named channels of messages: every queue of a stream gets every message that is published from the moment on that the
 * queue is made. One driver for each way of keeping them.
 */
export interface Stream {
  /**
   * Puts a message on the stream of that name. Resolves once whoever keeps the stream has confirmed that it has it;
   * rejects with a StreamFailure, within bounded time, or with the signal's reason. A message whose publishing was
   * rejected may have arrived nevertheless. Several may be on their way at once: those that arrive do so in the order
   * of the calls.
   *
   * @param queue puts it into this queue only, which has to be there, and not on the stream
   */
  publish(name: string, message: StreamMessage, signal?: AbortSignal, queue?: string): Promise<void>;
  /**
   * Reads a stream, and goes on doing so over lost connections until it is closed. Resolves when the queue is there, or
   * when it is certain that it will be tried again and again; a queue that lasts is made if it is not there yet.
   */
  subscribe(name: string, options: SubscribeOptions): Promise<Subscription>;
  /** What is in a queue; null if there is no such queue. Rejects with a StreamFailure. */
  counts(name: string, queue: string): Promise<QueueCounts | null>;
  /**
   * Removes a queue that lasts, with what is in it; or, without one, the stream, whose queues are to have been removed
   * before. Whoever reads it is to have left. What is not there is no error.
   */
  remove(name: string, queue?: string): Promise<void>;
  /** Lets messages on their way arrive, for a moment, and lets go of everything. */
  close(): Promise<void>;
}

/** The part of it that whoever only publishes needs. */
export type Publisher = Pick<Stream, 'publish' | 'close'>;
