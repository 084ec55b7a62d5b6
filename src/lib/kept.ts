/**
 * A cache. It is bounded by weight, not by number: a few large entries must not fill the memory of thousands of usual
 * ones.
 */
export class Kept<K, V> {
  readonly #most: number;
  readonly #entries = new Map<K, { value: V; weight: number }>();
  #weight = 0;

  /** @param most the total weight of all entries, in characters */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Adds an entry, unless it is too large for the cache. Drops all others if there is no room left. */
  set(key: K, value: V, weight: number): void {
    this.delete(key);
    if (weight > this.#most / 10) return;
    if (this.#weight + weight > this.#most) this.clear();
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
  }

  delete(key: K): void {
    this.#weight -= this.#entries.get(key)?.weight ?? 0;
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }
}
