/**
 * What is kept because it is asked for again and again. It has a bound by weight, not by number: a few large things must
 * not hold the memory that thousands of usual ones fit into.
 */
export class Kept<K, V> {
  readonly #most: number;
  readonly #entries = new Map<K, { value: V; weight: number }>();
  #weight = 0;

  /** @param most the weight of all that is kept, in characters */
  constructor(most: number) {
    this.#most = most;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Keeps it, unless it would take most of the room by itself. What is there is dropped when there is no room left. */
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
