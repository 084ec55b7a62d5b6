import { PenstockError } from '../../lib/errors.js';

const tooLarge = (what: string, limit: number, setting: string) =>
  new PenstockError('too-large', `${what} is larger than ${limit} bytes (${setting}).`);

/**
 * The lines of a body, without their ends (LF or CR LF), each as a copy. The rest after the last line end is a line if
 * it is not empty.
 *
 * @param limits how many bytes a line and the whole body may have
 * @param skipEmpty leaves out empty lines
 */
export async function* linesOf(
  body: AsyncIterable<Buffer>,
  limits: { line: number; all: number },
  skipEmpty: boolean,
): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let length = 0;
  let all = 0;
  let lines = 0;
  const add = (piece: Buffer) => {
    length += piece.length;
    // One byte more for a CR at the end of the line.
    if (length > limits.line + 1) throw tooLarge(`Line ${lines + 1}`, limits.line, 'MAX_MESSAGE_SIZE');
    pieces.push(piece);
  };
  const line = (ended: boolean): Buffer => {
    // A copy, so that a line does not keep the whole piece of the body in memory.
    const whole = Buffer.concat(pieces, length);
    lines += 1;
    pieces = [];
    length = 0;
    const text = ended && whole.at(-1) === 13 ? whole.subarray(0, -1) : whole;
    if (text.length > limits.line) throw tooLarge(`Line ${lines}`, limits.line, 'MAX_MESSAGE_SIZE');
    return text;
  };
  for await (const piece of body) {
    all += piece.length;
    if (all > limits.all) throw tooLarge('The body', limits.all, 'MAX_INPUT_SIZE');
    let start = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      add(piece.subarray(start, end));
      start = end + 1;
      const text = line(true);
      if (text.length > 0 || !skipEmpty) yield text;
    }
    if (start < piece.length) add(piece.subarray(start));
  }
  if (length > 0) yield line(false);
}
