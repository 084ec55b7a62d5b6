import type { PendingRow } from '../../store/deliveries.js';
import type { Receiver, Sequence, Window } from './receiver.js';

interface BacklogOptions {
  pending: (after: number, take: number) => Promise<PendingRow[]>;
  sequence: (subscriptionId: number, jobId: number, take: number) => Promise<PendingRow[]>;
  receiverOf: (url: string) => Receiver;
  /** True for what an attempt was made at that is not stored yet. */
  unsettled: (id: number) => boolean;
  /** A sequence has something to send that had nothing before. */
  ready: (sequence: Sequence) => void;
}

const sequenceRows = 16;
const windowRows = 500;
const chunk = 1000;
const chunksAtOnce = 4;

/**
 * What waits to be told, as far as it is held in memory. It is read in the order of its events; where much waits for
 * one owner at one receiver, or of one job, the rest stays in the database until there is room, in its order.
 *
 * Only `load` reads, and nobody may store results while it does: else what was just told would be taken up again.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #sequences = new Map<string, Sequence>();
  readonly #windows = new Map<string, Window>();
  readonly #dry = new Set<Sequence>();
  #cursor = 0;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** From this number on there may be what was passed by before. */
  lookAgain(from: number): void {
    this.#cursor = Math.min(this.#cursor, from - 1);
  }

  /**
   * Takes up what there is room for.
   *
   * @returns true if there is more to look at
   */
  async load(): Promise<{ again: boolean; found: number }> {
    let found = 0;
    for (const sequence of [...this.#dry]) {
      this.#dry.delete(sequence);
      sequence.more = false;
      const rows = await this.#options.sequence(sequence.subscriptionId, sequence.jobId, sequenceRows + 1);
      // Forgotten meanwhile: whoever did that has what waits looked at again.
      if (this.#sequences.get(sequence.key) !== sequence) continue;
      for (const row of rows) this.#take(row);
      found += rows.length;
      if (rows.length > sequenceRows) sequence.more = true;
      if (sequence.rows.length > 0) continue;
      if (sequence.more) this.#dry.add(sequence);
      else this.#close(sequence);
    }
    for (const [key, window] of this.#windows) {
      if (window.after !== null && window.count <= windowRows / 2) found += await this.#refill(window);
      if (window.count === 0 && window.after === null) this.#windows.delete(key);
    }
    for (let turn = 0; turn < chunksAtOnce; turn += 1) {
      const from = this.#cursor;
      const rows = await this.#options.pending(from, chunk);
      // Somebody may have said meanwhile that earlier ones wait again.
      if (this.#cursor < from) return { again: true, found };
      for (const row of rows) this.#take(row);
      found += rows.length;
      this.#cursor = rows.at(-1)?.id ?? from;
      if (rows.length < chunk) return { again: false, found };
    }
    return { again: true, found };
  }

  /** Reads on where a window was full, a piece at a time. */
  async #refill(window: Window): Promise<number> {
    const rows = await this.#options.pending(window.after ?? 0, chunk);
    const end = rows.at(-1)?.id;
    window.after = null;
    for (const row of rows) {
      if (row.id <= this.#cursor && this.#windowOf(row) === window) this.#take(row);
    }
    // What follows is read with the next piece, unless it is yet to be read by all.
    if (window.after === null && end !== undefined && rows.length === chunk && end < this.#cursor)
      window.after = end;
    return rows.length;
  }

  #windowOf(row: PendingRow): Window {
    const key = `${row.ownerId} ${this.#options.receiverOf(row.url).key}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { count: 0, after: null };
      this.#windows.set(key, window);
    }
    return window;
  }

  #take(row: PendingRow): void {
    if (!row.active || this.#options.unsettled(row.id)) return;
    const key = `${row.subscriptionId} ${row.jobId}`;
    const known = this.#sequences.get(key);
    const last = known?.rows.at(-1)?.id ?? 0;
    const between = known !== undefined && row.id <= last;
    if (between && known.rows.some(({ id }) => id === row.id)) return;
    // What comes behind something that was left in the database has to be left there, too.
    if (known?.more && !between) return;
    const window = known?.window ?? this.#windowOf(row);
    if (!between && (window.after !== null || window.count >= windowRows)) {
      window.after = Math.min(window.after ?? row.id - 1, row.id - 1);
      return;
    }
    const sequence = known ?? this.#open(key, row, window);
    const place = between ? sequence.rows.findIndex(({ id }) => id > row.id) : sequence.rows.length;
    // Nothing gets in front of what is being sent.
    sequence.rows.splice(sequence.busy ? Math.max(1, place) : place, 0, row);
    window.count += 1;
    if (sequence.rows.length > sequenceRows) {
      sequence.rows.pop();
      window.count -= 1;
      sequence.more = true;
    }
    if (sequence.rows.length === 1) this.#options.ready(sequence);
  }

  #open(key: string, row: PendingRow, window: Window): Sequence {
    const sequence: Sequence = {
      key,
      subscriptionId: row.subscriptionId,
      jobId: row.jobId,
      receiver: this.#options.receiverOf(row.url),
      window,
      rows: [],
      more: false,
      busy: false,
      timer: undefined,
      failingSince: null,
    };
    this.#sequences.set(key, sequence);
    return sequence;
  }

  /**
   * The first row of a sequence is done with, and it is not busy any more.
   *
   * @returns true if the sequence has another row to send
   */
  shift(sequence: Sequence): boolean {
    if (sequence.rows.shift() !== undefined) sequence.window.count -= 1;
    sequence.failingSince = null;
    if (sequence.rows.length > 0) return true;
    if (sequence.more) this.#dry.add(sequence);
    else this.#close(sequence);
    return false;
  }

  /** True if there may be something to load because of what was shifted away. */
  get hungry(): boolean {
    if (this.#dry.size > 0) return true;
    for (const window of this.#windows.values()) {
      if (window.after !== null && window.count <= windowRows / 2) return true;
    }
    return false;
  }

  /** Lets go of a sequence, but for what is being sent of it. What waits stays in the database. */
  drop(sequence: Sequence): void {
    clearTimeout(sequence.timer);
    sequence.receiver.forget(sequence);
    sequence.more = false;
    const kept = sequence.busy ? 1 : 0;
    sequence.window.count -= sequence.rows.length - Math.min(kept, sequence.rows.length);
    sequence.rows.length = Math.min(kept, sequence.rows.length);
    if (!sequence.busy) this.#close(sequence);
  }

  /** Lets go of all sequences of a subscription. */
  forget(subscriptionId: number): void {
    for (const sequence of this.#sequences.values())
      if (sequence.subscriptionId === subscriptionId) this.drop(sequence);
  }

  all(): Sequence[] {
    return [...this.#sequences.values()];
  }

  #close(sequence: Sequence): void {
    this.#dry.delete(sequence);
    if (this.#sequences.get(sequence.key) === sequence) this.#sequences.delete(sequence.key);
  }
}
