/** A queue of pieces from a producer to a consumer that takes them one by one, followed by the end. */
export class Channel {
  readonly #pieces: Buffer[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  readonly #more: () => void;

  /** @param more called when everything has been taken and there is room for more */
  constructor(more: () => void) {
    this.#more = more;
  }

  put(piece: Buffer): void {
    if (this.#ended) return;
    this.#pieces.push(piece);
    this.#awake();
  }

  /** Ends the channel after the pieces that are still in it. */
  end(error: Error | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#awake();
  }

  async *pieces(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) yield piece;
      else if (this.#error !== null) throw this.#error;
      else if (this.#ended) return;
      else {
        this.#more();
        // `more` may have delivered at once.
        if (this.#pieces.length > 0 || this.#ended) continue;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
