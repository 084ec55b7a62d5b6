/**
 * The protocol between the server and a program's feeder: frames of one type byte, four bytes of length (big endian),
 * and that many bytes.
 *
 * From the server: `M` a message for the program, `E` no more messages will come.
 *
 * From the feeder: `H` {"pending": n} first of all, `R` a record from the program, `X` {"code": n} the program has
 * ended, with its code as in a shell.
 */
export type FrameType = 'M' | 'E' | 'H' | 'R' | 'X';
export interface Frame {
  type: FrameType;
  payload: Buffer;
}

const headSize = 5;

/** A frame as it goes over the socket. */
export function encodeFrame(type: FrameType, payload: Buffer | object = Buffer.alloc(0)): Buffer {
  const body = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  const head = Buffer.alloc(headSize);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** Splits what arrives on the socket into frames. A frame that is incomplete when the socket closes is dropped. */
export class FrameDecoder {
  #pieces: Buffer[] = [];
  #size = 0;

  push(piece: Buffer): Frame[] {
    const frames: Frame[] = [];
    this.#pieces.push(piece);
    this.#size += piece.length;
    while (this.#size >= headSize) {
      if ((this.#pieces[0]?.length ?? 0) < headSize) this.#pieces = [Buffer.concat(this.#pieces)];
      const length = this.#pieces[0]?.readUInt32BE(1) ?? 0;
      if (this.#size < headSize + length) break;
      const all = this.#pieces.length === 1 ? (this.#pieces[0] ?? piece) : Buffer.concat(this.#pieces);
      const end = headSize + length;
      frames.push({
        type: String.fromCharCode(all[0] ?? 0) as FrameType,
        payload: all.subarray(headSize, end),
      });
      const rest = all.subarray(end);
      this.#pieces = rest.length === 0 ? [] : [rest];
      this.#size = rest.length;
    }
    return frames;
  }
}
