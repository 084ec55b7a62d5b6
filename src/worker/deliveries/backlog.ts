import type { PendingRow } from '../../store/deliveries.js';
import type { Lane, Receiver, Window } from './receiver.js';

export interface LaneOptions {
  pending: (after: number, take: number) => Promise<PendingRow[]>;
  lane: (subscriptionId: number, jobId: number, take: number) => Promise<PendingRow[]>;
  receiverOf: (url: string) => Receiver;
  /** True for what an attempt was made at that is not stored yet. */
  unsettled: (id: number) => boolean;
  /** A lane has something to send that had nothing before. */
  ready: (lane: Lane) => void;
}

const laneRows = 16;
const windowRows = 500;
const chunk = 1000;
const chunksAtOnce = 4;

/**
 * What waits to be told, as far as it is held in memory. It is read in the order of its events; where much waits for
 * one owner at one receiver, or of one job, the rest stays in the database until there is room, in its order.
 *
 * Only `load` reads, and nobody may store results while it does: else what was just told would be taken up again.
 */
export class Lanes {
  readonly #options: LaneOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #windows = new Map<string, Window>();
  readonly #dry = new Set<Lane>();
  #cursor = 0;

  constructor(options: LaneOptions) {
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
    for (const lane of [...this.#dry]) {
      this.#dry.delete(lane);
      lane.more = false;
      const rows = await this.#options.lane(lane.subscriptionId, lane.jobId, laneRows + 1);
      // Forgotten meanwhile: whoever did that has what waits looked at again.
      if (this.#lanes.get(lane.key) !== lane) continue;
      for (const row of rows) this.#take(row);
      found += rows.length;
      if (rows.length > laneRows) lane.more = true;
      if (lane.rows.length > 0) continue;
      if (lane.more) this.#dry.add(lane);
      else this.#close(lane);
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
    const known = this.#lanes.get(key);
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
    const lane = known ?? this.#open(key, row, window);
    const place = between ? lane.rows.findIndex(({ id }) => id > row.id) : lane.rows.length;
    // Nothing gets in front of what is being sent.
    lane.rows.splice(lane.busy ? Math.max(1, place) : place, 0, row);
    window.count += 1;
    if (lane.rows.length > laneRows) {
      lane.rows.pop();
      window.count -= 1;
      lane.more = true;
    }
    if (lane.rows.length === 1) this.#options.ready(lane);
  }

  #open(key: string, row: PendingRow, window: Window): Lane {
    const lane: Lane = {
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
    this.#lanes.set(key, lane);
    return lane;
  }

  /**
   * The first row of a lane is done with, and it is not busy any more.
   *
   * @returns true if the lane has another row to send
   */
  shift(lane: Lane): boolean {
    if (lane.rows.shift() !== undefined) lane.window.count -= 1;
    lane.failingSince = null;
    if (lane.rows.length > 0) return true;
    if (lane.more) this.#dry.add(lane);
    else this.#close(lane);
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

  /** Lets go of a lane, but for what is being sent of it. What waits stays in the database. */
  drop(lane: Lane): void {
    clearTimeout(lane.timer);
    lane.receiver.forget(lane);
    lane.more = false;
    const kept = lane.busy ? 1 : 0;
    lane.window.count -= lane.rows.length - Math.min(kept, lane.rows.length);
    lane.rows.length = Math.min(kept, lane.rows.length);
    if (!lane.busy) this.#close(lane);
  }

  /** Lets go of all lanes of a subscription. */
  forget(subscriptionId: number): void {
    for (const lane of this.#lanes.values()) if (lane.subscriptionId === subscriptionId) this.drop(lane);
  }

  all(): Lane[] {
    return [...this.#lanes.values()];
  }

  #close(lane: Lane): void {
    this.#dry.delete(lane);
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
  }
}
