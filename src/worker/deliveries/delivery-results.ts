import type { Settled } from '../../store/deliveries.js';

/** Results of attempts, collected until they are stored; the latest of each delivery. */
export class Results {
  readonly #write: (results: readonly Settled[]) => Promise<void>;
  #waiting = new Map<number, Settled>();
  #storing = new Map<number, Settled>();

  constructor(write: (results: readonly Settled[]) => Promise<void>) {
    this.#write = write;
  }

  add(result: Settled): void {
    this.#waiting.set(result.id, result);
  }

  /** True if this delivery has a result that is not stored yet. */
  has(id: number): boolean {
    return this.#waiting.has(id) || this.#storing.has(id);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Stores all results in one write. If that fails, nothing is lost, and it can be called again. */
  async store(): Promise<void> {
    if (this.#waiting.size === 0) return;
    this.#storing = this.#waiting;
    this.#waiting = new Map();
    try {
      await this.#write([...this.#storing.values()]);
    } catch (error) {
      this.#waiting = new Map([...this.#storing, ...this.#waiting]);
      throw error;
    } finally {
      this.#storing = new Map();
    }
  }
}
