/**
 * How records are told apart in a stream of bytes: by a newline or a NUL after each, by a length of 4 bytes (big
 * endian) before each, or not at all: then each piece that arrives is a record.
 */
export const framings = ['line', 'nul', 'length', 'none'] as const;
export type Framing = (typeof framings)[number];

const separators: Partial<Record<Framing, number>> = { line: 0x0a, nul: 0 };
const empty = Buffer.alloc(0);

/**
 * A record as a program gets it. If the record already ends with the separator, no second one is added. A record that
 * `framingProblem` objects to would not come out as one record.
 */
export function encodeRecord(framing: Framing, record: Buffer): Buffer {
  if (framing === 'none') return record;
  if (framing === 'length') {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(record.length);
    return Buffer.concat([length, record]);
  }
  const separator = separators[framing] ?? 0;
  return record.at(-1) === separator ? record : Buffer.concat([record, Buffer.from([separator])]);
}

/** Why a record cannot be told from others with this framing, as the rest of a sentence; null if it can. */
export function framingProblem(framing: Framing, record: Buffer): string | null {
  if (framing === 'length') return record.length < 2 ** 32 ? null : 'is too long for a length of 4 bytes';
  if (framing === 'none')
    return record.length > 0 ? null : 'is empty, and without a framing an empty record cannot be sent';
  const at = record.indexOf(separators[framing] ?? 0);
  if (at < 0 || at === record.length - 1) return null;
  return `holds a ${framing === 'line' ? 'newline' : 'NUL'}, which would end it there`;
}

/** Splits a stream of bytes into records, whatever pieces it arrives in. */
export class RecordDecoder {
  readonly #framing: Framing;
  readonly #largest: number;
  #pieces: Buffer[] = [];
  #size = 0;

  /** @param largest bytes of a record; a longer record is an error, so that it cannot fill the memory */
  constructor(framing: Framing, largest = 64 * 2 ** 20) {
    this.#framing = framing;
    this.#largest = largest;
  }

  /** The records that this piece completes. Throws a RangeError for a record that is too long. */
  push(piece: Buffer): Buffer[] {
    if (this.#framing === 'none') return piece.length === 0 ? [] : [piece];
    if (piece.length === 0) return [];
    return this.#framing === 'length' ? this.#byLength(piece) : this.#bySeparator(piece);
  }

  /** The rest at the end of the stream: a last record without its separator. Throws if the record is cut off. */
  end(): Buffer[] {
    const rest = this.#take(empty);
    if (rest.length === 0) return [];
    if (this.#framing === 'length') throw new RangeError('the output ended in the middle of a record');
    return [rest];
  }

  #bySeparator(piece: Buffer): Buffer[] {
    const separator = separators[this.#framing] ?? 0;
    const records: Buffer[] = [];
    let from = 0;
    for (let at = piece.indexOf(separator); at >= 0; at = piece.indexOf(separator, from)) {
      records.push(this.#checked(this.#take(piece.subarray(from, at))));
      from = at + 1;
    }
    this.#keep(piece.subarray(from));
    return records;
  }

  #byLength(piece: Buffer): Buffer[] {
    const records: Buffer[] = [];
    this.#pieces.push(piece);
    this.#size += piece.length;
    while (this.#size >= 4) {
      // Joined only once the record is complete: a long record comes in many pieces.
      if ((this.#pieces[0]?.length ?? 0) < 4) this.#pieces = [Buffer.concat(this.#pieces)];
      const length = this.#pieces[0]?.readUInt32BE() ?? 0;
      if (length > this.#largest) throw this.#tooLong();
      if (this.#size < 4 + length) break;
      const all = this.#take(empty);
      records.push(all.subarray(4, 4 + length));
      const rest = all.subarray(4 + length);
      if (rest.length > 0) this.#pieces.push(rest);
      this.#size = rest.length;
    }
    return records;
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size > this.#largest) throw this.#tooLong();
  }

  /** All pieces kept so far, followed by this one. */
  #take(last: Buffer): Buffer {
    if (this.#pieces.length === 0) return last;
    // One piece often holds thousands of records: copying the rest of it for each would take ages.
    const [first = empty] = this.#pieces;
    const isWhole = this.#pieces.length === 1 && last.length === 0;
    const all = isWhole ? first : Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#size = 0;
    return all;
  }

  #checked(record: Buffer): Buffer {
    if (record.length > this.#largest) throw this.#tooLong();
    return record;
  }

  #tooLong = () => new RangeError(`a record is longer than ${this.#largest} bytes`);
}
