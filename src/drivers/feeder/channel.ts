/** Pieces on their way from whoever has them to one who takes them one by one, with the end after them. */
export class Channel {
  readonly #pieces: Buffer[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  readonly #more: () => void;

  /** @param more called when all that was put has been taken, and there is room */
  constructor(more: () => void) {
    this.#more = more;
  }

  put(piece: Buffer): void {
    if (this.#ended) return;
    this.#pieces.push(piece);
    this.#awake();
  }

  /** What was put is still taken, then it is over. */
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
        // What was asked for may be here at once.
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
