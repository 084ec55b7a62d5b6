import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import type { PendingRow } from '../../store/deliveries.js';

/** How many deliveries are sent to one receiver at once. */
const mostAtOnce = 8;
/** After so many failures in a row a receiver counts as down. */
const enough = 3;
/**
 * Seconds between two probes of a receiver that is down, or half the time that it has been down, if that is less: a
 * probe is a single message, and pending deliveries must follow soon after it is back.
 */
const longestPause = 30;
/** After so many different URLs of one receiver have failed, the others will fail as well. */
const mostUrls = 10;

/**
 * A receiver: the origin of URLs. While it is down, it is probed with one message at a time, after growing pauses; the
 * first message that it accepts opens it again.
 */
export class Receiver {
  readonly key: string;
  readonly #ready = new Set<Sequence>();
  readonly #waiting = new Set<Sequence>();
  #active = 0;
  #failures = 0;
  #rounds = 0;
  #down = false;
  #failingSince = 0;
  #probeAt = 0;
  /** URLs that have since failed with an answer; null once there was no answer at all. */
  #failedUrls: Set<string> | null = new Set();
  /** Until when a URL asked to be left alone (`Retry-After`), in milliseconds. Only time ends that. */
  readonly #asked = new Map<string, number>();

  constructor(key: string) {
    this.key = key;
  }

  get down(): boolean {
    return this.#down;
  }

  /** True if it can be forgotten without losing anything. */
  isIdle(now: number): boolean {
    for (const url of this.#asked.keys()) this.askedUntil(url, now);
    const sequences = this.#active + this.#ready.size + this.#waiting.size;
    return sequences === 0 && this.#failures === 0 && this.#asked.size === 0;
  }

  /** Until when a URL is to be left alone; 0 if it did not ask for that, or the time is over. */
  askedUntil(url: string, now: number): number {
    const until = this.#asked.get(url) ?? 0;
    if (until > now) return until;
    this.#asked.delete(url);
    return 0;
  }

  /**
   * A URL asks to be left alone for so many milliseconds.
   *
   * @returns the sequences that were about to send there
   */
  leaveAlone(url: string, asked: number, now: number): Sequence[] {
    this.#asked.set(url, Math.max(now + asked, this.askedUntil(url, now)));
    return [...this.#ready].filter(({ rows: [row] }) => row?.url === url);
  }

  /** When it may be probed again; null if there is no need to wait. Milliseconds. */
  get probeAt(): number | null {
    return this.#down && this.#active === 0 && this.#ready.size > 0 ? this.#probeAt : null;
  }

  /** A sequence that may send. */
  add(sequence: Sequence): void {
    this.#waiting.delete(sequence);
    this.#ready.add(sequence);
  }

  /** A sequence that has to wait for its own pause. */
  hold(sequence: Sequence): void {
    this.#ready.delete(sequence);
    this.#waiting.add(sequence);
  }

  forget(sequence: Sequence): void {
    this.#ready.delete(sequence);
    this.#waiting.delete(sequence);
  }

  /** The next sequence that may send now; it counts as active until `ended`. */
  next(now: number): Sequence | undefined {
    if (this.#active >= (this.#down ? 1 : mostAtOnce)) return undefined;
    const [first] = this.#ready;
    const sequence = !this.#down || now >= this.#probeAt ? first : this.#untried();
    if (sequence === undefined) return undefined;
    this.#ready.delete(sequence);
    this.#active += 1;
    return sequence;
  }

  /** While only single URLs have failed, others at the same receiver may send at once: it may serve many. */
  #untried(): Sequence | undefined {
    const failed = this.#failedUrls;
    if (failed === null || failed.size >= mostUrls) return undefined;
    for (const sequence of this.#ready) {
      const [row] = sequence.rows;
      if (row !== undefined && !failed.has(row.url)) return sequence;
    }
    return undefined;
  }

  ended(): void {
    this.#active -= 1;
  }

  /**
   * It accepted, or refused in a way that shows it is healthy.
   *
   * @returns the sequences that wait only because it was down
   */
  succeeded(): Sequence[] {
    const wasDown = this.#down;
    const since = this.#failingSince;
    this.#failures = 0;
    this.#rounds = 0;
    this.#down = false;
    this.#failedUrls = new Set();
    if (!wasDown) return [];
    return [...this.#waiting].filter(({ failingSince }) => failingSince !== null && failingSince >= since);
  }

  /**
   * It did not answer, or its answer shows that it is unhealthy.
   *
   * @param answered whether there was an answer
   * @param asked how long it asked to be left alone, in milliseconds
   * @returns true if it is down, so that its sequences need no pauses of their own
   */
  failed(
    url: string,
    now: number,
    how: { answered: boolean; asked: number; backoff: Backoff; random: number },
  ): boolean {
    if (this.#failures === 0) this.#failingSince = now;
    this.#failures += 1;
    if (!how.answered) this.#failedUrls = null;
    else this.#failedUrls?.add(url);
    // Attempts that were in progress when it went down tell nothing new.
    const alone = this.#active <= 1;
    if (this.#down ? alone : this.#failures >= enough) {
      this.#down = true;
      this.#rounds += 1;
      const soFar = Math.max(how.backoff.initial, (now - this.#failingSince) / 2000);
      const maximum = Math.min(how.backoff.maximum, longestPause, soFar);
      const pause = backoffDelay({ ...how.backoff, maximum }, this.#rounds, how.random);
      this.#probeAt = now + Math.max(how.asked, pause);
    }
    return this.#down;
  }

  /** Whether a sequence failed because of the present outage. */
  explains({ failingSince }: Sequence): boolean {
    return this.#down && failingSince !== null && failingSince >= this.#failingSince;
  }
}

/** Pending deliveries of one job to one subscription: they are sent in order, one at a time. */
export interface Sequence {
  key: string;
  subscriptionId: number;
  jobId: number;
  receiver: Receiver;
  /** Which window its rows count in. */
  window: Window;
  /** The first pending rows, in order. */
  rows: PendingRow[];
  /** True if there is more in the database, behind the rows. */
  more: boolean;
  /** True while its first row is being sent. */
  busy: boolean;
  timer: NodeJS.Timeout | undefined;
  /** Since when its first row has been failing; null if it is not failing. */
  failingSince: number | null;
}

/** How much is held in memory for one owner at one receiver, and from where on the rest was left in the database. */
export interface Window {
  count: number;
  after: number | null;
}
