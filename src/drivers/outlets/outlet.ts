/** One event on its way to one subscriber, ready to be sent. */
export interface Message {
  /** The same for every attempt and replay, so that a receiver can recognise repetitions. */
  id: string;
  /** The destination: `https://…`, or `stream:NAME`. */
  url: string;
  contentType: string;
  body: string;
  /** Keys to sign with, newest first; none if the outlet does not sign. */
  secrets: readonly string[];
}

/** The result of an attempt. A receiver that does not accept is not an error of ours. */
export interface Answer {
  accepted: boolean;
  /** The receiver's HTTP status, if there was one. */
  status: number | null;
  /** Why it was not accepted, for people. */
  error: string | null;
  /** How long the receiver asked to be left alone, in milliseconds, if it did. */
  retryAfter?: number;
}

/** Sends events: one driver for each kind of address. */
export interface Outlet {
  /** One attempt. Rejects only when the signal aborts it. */
  send(message: Message, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}
