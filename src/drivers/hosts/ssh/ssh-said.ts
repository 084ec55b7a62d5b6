/** How many bytes of other output are kept for people to read. */
const sample = 200;

/** One stream of a channel: only what is between two marks is ours, and nothing else counts. */
export interface MarkedStream {
  feed(chunk: Buffer): void;
  /** The rest of the first mark's line; null before it has arrived. */
  head(): string | null;
  /** The rest of the second mark's line. */
  tail(): string | null;
  /** The beginning of what came before the first mark, in one line. */
  noise(): string;
  /** Passes on bytes that were held back because they could have begun the second mark. */
  flush(): void;
}

/** @param take gets the bytes between the marks as they arrive */
export function markedStream(mark: string, take: (bytes: Buffer) => void): MarkedStream {
  const longest = mark.length - 1;
  let held: Buffer = Buffer.alloc(0);
  let first: string | null = null;
  let second: string | null = null;
  let before = '';

  /** The rest of the line of the mark that the bytes begin with; null if it is not complete yet. */
  function line(): string | null {
    const end = held.indexOf('\n');
    if (end < 0) return null;
    const text = held.toString('latin1', mark.length, end).trim();
    held = held.subarray(end + 1);
    return text;
  }
  /** Passes on everything before the next mark that certainly does not belong to it. True if that mark has arrived. */
  function upToMark(give: (bytes: Buffer) => void): boolean {
    const at = held.indexOf(mark);
    const length = at < 0 ? Math.max(0, held.length - longest) : at;
    if (length > 0) give(held.subarray(0, length));
    held = held.subarray(length);
    return at >= 0;
  }
  const keepNoise = (bytes: Buffer) => {
    if (before.length < sample) before += bytes.toString('latin1', 0, sample - before.length);
  };

  return {
    feed(chunk) {
      if (second !== null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      if (first === null && upToMark(keepNoise)) first = line();
      if (first !== null && upToMark(take)) second = line();
    },
    head: () => first,
    tail: () => second,
    // Control characters could do things to a terminal that shows them.
    noise: () =>
      `${before}${first === null ? held.toString('latin1', 0, sample - before.length) : ''}`
        .replaceAll(/[^\x20-\x7e]+/g, ' ')
        .trim(),
    flush() {
      if (first !== null && second === null) take(held);
      held = Buffer.alloc(0);
    },
  };
}
