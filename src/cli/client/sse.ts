/** One server-sent event (WHATWG HTML, 9.2). */
interface ServerSentEvent {
  event: string;
  data: string;
  /** The last id in the stream, to send as `Last-Event-ID` when resuming. */
  id: string;
}

/** What the stream has said about itself so far. */
interface SseState {
  lastEventId: string;
  /** Milliseconds to wait before reconnecting, if the server asked for that. */
  retry: number | undefined;
}

/** Reads server-sent events from text in pieces of any size. Drops an event that is incomplete at the end. */
export class SseParser {
  readonly state: SseState;
  #rest = '';
  #event = '';
  #id: string;
  #data: string[] = [];
  #first = true;

  constructor(lastEventId = '') {
    this.#id = lastEventId;
    this.state = { lastEventId, retry: undefined };
  }

  /** The events that this piece completes. */
  push(piece: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    let text = this.#rest + piece;
    if (this.#first && text !== '') {
      this.#first = false;
      text = text.replace(/^\uFEFF/, '');
    }
    // A carriage return at the very end may be half of a CR LF, so it stays until the next piece.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined; // a comment, to keep the connection alive
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.state.retry = Number(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    // An id takes effect at the end of its block, even if the block holds nothing else.
    this.state.lastEventId = this.#id;
    const event = this.#event || 'message';
    const data = this.#data;
    this.#event = '';
    this.#data = [];
    // The standard does not dispatch events without data, but an `end` needs only its name.
    if (data.length === 0 && event === 'message') return undefined;
    return { event, data: data.join('\n'), id: this.#id };
  }
}
