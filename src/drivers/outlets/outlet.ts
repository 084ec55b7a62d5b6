/** One event on its way to one subscriber, ready to be sent. */
export interface Message {
  /** The same for every attempt and replay, so that a receiver can tell what it has seen. */
  id: string;
  /** Where to: `https://…`, or `stream:NAME`. */
  url: string;
  contentType: string;
  body: string;
  /** Keys to sign with, newest first; none where the outlet does not sign. */
  secrets: readonly string[];
}

/** What came of an attempt. A receiver that does not accept is no error of ours. */
export interface Answer {
  accepted: boolean;
  /** The receiver's HTTP status, where there was one. */
  status: number | null;
  /** Why it was not accepted, for people. */
  error: string | null;
  /** How long the receiver asks to be left alone, in milliseconds, where it said so. */
  retryAfter?: number;
}

/** Where events are told: one driver for each kind of address. */
export interface Outlet {
  /** One attempt. Rejects only when the signal aborts it. */
  send(message: Message, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}
