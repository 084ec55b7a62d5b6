import type { PendingRow } from '../../store/deliveries.js';
import type { Receiver, Sequence, Window } from './receiver.js';

interface BacklogOptions {
  pending: (after: number, take: number) => Promise<PendingRow[]>;
  sequence: (subscriptionId: number, jobId: number, take: number) => Promise<PendingRow[]>;
  receiverOf: (url: string) => Receiver;
  /** True for a delivery whose latest attempt is not stored yet. */
  unsettled: (id: number) => boolean;
  /** Called when a sequence that was empty has something to send. */
  ready: (sequence: Sequence) => void;
}

const sequenceRows = 16;
const windowRows = 500;
const chunk = 1000;
const chunksAtOnce = 4;

/**
 * Pending deliveries, as far as they are held in memory. They are read in the order of their events; if many wait for
 * one owner at one receiver, or for one job, the rest stays in the database, in order, until there is room.
 *
 * Only `load` reads, and nobody may store results meanwhile: otherwise deliveries that were just sent would be loaded
 * again.
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

  /** From this number on, deliveries that were skipped before may now be pending. */
  lookAgain(from: number): void {
    this.#cursor = Math.min(this.#cursor, from - 1);
  }

  /**
   * Loads as many as there is room for.
   *
   * @returns true if there may be more to load
   */
  async load(): Promise<{ again: boolean; found: number }> {
    let found = 0;
    for (const sequence of [...this.#dry]) {
      this.#dry.delete(sequence);
      sequence.more = false;
      const rows = await this.#options.sequence(sequence.subscriptionId, sequence.jobId, sequenceRows + 1);
      // Forgotten meanwhile: whoever did that also calls `lookAgain`.
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
      // Meanwhile `lookAgain` may have been called for earlier ones.
      if (this.#cursor < from) return { again: true, found };
      for (const row of rows) this.#take(row);
      found += rows.length;
      this.#cursor = rows.at(-1)?.id ?? from;
      if (rows.length < chunk) return { again: false, found };
    }
    return { again: true, found };
  }

  /** Continues reading where a window was full, a piece at a time. */
  async #refill(window: Window): Promise<number> {
    const rows = await this.#options.pending(window.after ?? 0, chunk);
    const end = rows.at(-1)?.id;
    window.after = null;
    for (const row of rows) {
      if (row.id <= this.#cursor && this.#windowOf(row) === window) this.#take(row);
    }
    // The rest is read with the next piece, unless the main cursor has yet to reach it.
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
    // Rows behind one that was left in the database must stay there as well.
    if (known?.more && !between) return;
    const window = known?.window ?? this.#windowOf(row);
    if (!between && (window.after !== null || window.count >= windowRows)) {
      window.after = Math.min(window.after ?? row.id - 1, row.id - 1);
      return;
    }
    const sequence = known ?? this.#open(key, row, window);
    const place = between ? sequence.rows.findIndex(({ id }) => id > row.id) : sequence.rows.length;
    // Nothing may overtake the row that is being sent.
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
   * Drops the first row of a sequence, which is no longer busy.
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

  /** True if `shift` has made room for more. */
  get hungry(): boolean {
    if (this.#dry.size > 0) return true;
    for (const window of this.#windows.values()) {
      if (window.after !== null && window.count <= windowRows / 2) return true;
    }
    return false;
  }

  /** Drops a sequence, except the row that is being sent. The rest stays in the database. */
  drop(sequence: Sequence): void {
    clearTimeout(sequence.timer);
    sequence.receiver.forget(sequence);
    sequence.more = false;
    const kept = sequence.busy ? 1 : 0;
    sequence.window.count -= sequence.rows.length - Math.min(kept, sequence.rows.length);
    sequence.rows.length = Math.min(kept, sequence.rows.length);
    if (!sequence.busy) this.#close(sequence);
  }

  /** Drops all sequences of a subscription. */
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
