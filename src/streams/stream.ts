/** What is put on a stream. */
export interface StreamMessage {
  /** The same for every attempt, so that a consumer can tell what it has seen. */
  id: string;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

/** A channel of messages that could not do what it was asked, with the reason for people. Trying again is right. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
}

/** Named channels of messages: one driver for each way of keeping them. A driver leaves out what it cannot do. */
export interface Stream {
  /**
   * Puts a message on the stream of that name. Resolves once whoever keeps the stream has confirmed that it has it;
   * rejects with a StreamFailure, within bounded time, or with the signal's reason. A message whose publishing was
   * rejected may have arrived nevertheless.
   */
  publish(name: string, message: StreamMessage, signal?: AbortSignal): Promise<void>;
  /** Lets messages on their way arrive, for a moment, and lets go of everything. */
  close(): Promise<void>;
}
