import type { Request } from 'express';
import { checkJsonBounds } from '../../domain/json/json-bounds.js';
import { parseWritten } from '../../domain/json/written-json.js';
import { PenstockError } from '../../lib/errors.js';
import { below } from '../../lib/pointer.js';
import { watchBody } from '../guards/patience.js';

/** The media type of a body, without parameters. Empty if there is none. */
export function mediaType(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

/**
 * A request's body, piece by piece. A reader that stops early leaves the connection open for the answer.
 *
 * @param whole whether the time limit for a whole body applies
 */
export async function* bodyOf(request: Request, whole = false): AsyncGenerator<Buffer> {
  const pieces = request.iterator({ destroyOnReturn: false });
  let giveUp: (error: PenstockError) => void = () => {};
  const unwatch = watchBody(request, whole, (error) => giveUp(error));
  try {
    for (;;) {
      const { done, value } = await new Promise<IteratorResult<Buffer>>((resolve, reject) => {
        giveUp = reject;
        const cutOff = (error: unknown) =>
          reject(
            new PenstockError('bad-request', 'The connection was lost before the request was complete.', {
              cause: error,
            }),
          );
        pieces.next().then(resolve, cutOff);
      });
      if (done) return;
      yield value;
    }
  } finally {
    unwatch();
    // Not awaited, because that would first wait for a piece that may never arrive.
    void pieces.return?.();
  }
}

/** A body whose first byte has arrived, or null if it is empty. */
export async function beginning(pieces: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer> | null> {
  for (;;) {
    const first = await pieces.next();
    if (first.done) return null;
    if (first.value.length > 0) return after(first.value, pieces);
  }
}

async function* after(first: Buffer, pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* pieces;
}

/** Throws if a body is compressed. */
export function refuseCoding(request: Request): void {
  const coding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (coding !== 'identity') {
    throw new PenstockError(
      'unsupported-media-type',
      `The content encoding '${coding.slice(0, 40)}' is not supported here. Send the body without encoding.`,
    );
  }
}

/**
 * A whole body of limited size.
 *
 * @param setting the configuration key of the limit
 */
export async function readBody(request: Request, limit: number, setting = 'MAX_BODY_SIZE'): Promise<Buffer> {
  const tooLarge = () =>
    new PenstockError('too-large', `The body is larger than ${limit} bytes (${setting}).`);
  refuseCoding(request);
  const told = Number(request.headers['content-length'] ?? 0);
  if (told > limit) throw tooLarge();
  // If the size is known, each piece goes straight to its place, so that the body is never in memory twice.
  const whole = Buffer.allocUnsafeSlow(told);
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of bodyOf(request, true)) {
    if (told > 0) piece.copy(whole, size);
    else pieces.push(piece);
    size += piece.length;
    if (size > limit) throw tooLarge();
  }
  return told > 0 ? whole.subarray(0, size) : Buffer.concat(pieces);
}

/** A body's text, which must be UTF-8. */
export function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new PenstockError('bad-json', 'The body is not UTF-8.');
  }
}

/** The text of a body as JSON. Throws an error that says where it is invalid or exceeds a limit. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') throw new PenstockError('bad-json', 'The body is empty; it must be JSON.');
  checkJsonBounds(text);
  try {
    return keepable(parseWritten(text));
  } catch (error) {
    if (error instanceof PenstockError) throw error;
    throw new PenstockError('bad-json', `The body is not JSON: ${explain(error, text)}`);
  }
}

const isBeyond = (item: unknown): boolean => item === Infinity || item === -Infinity;
const isObject = (item: unknown): item is object => typeof item === 'object' && item !== null;

/** Refuses numbers that are too large to store, which would become null. */
function keepable(value: unknown): unknown {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (level.some(isBeyond)) {
      const pointer = beyondAt(value, '', depth) ?? '';
      const detail = 'the number is too large to store; send it as a string';
      throw new PenstockError('bad-json', `${pointer}: ${detail}`, { problems: [{ pointer, detail }] });
    }
    level = level.flatMap((item) => (isObject(item) ? Object.values(item) : []));
  }
  return value;
}

/** The pointer to the first such number, `depth` levels down. */
function beyondAt(value: unknown, pointer: string, depth: number): string | undefined {
  if (depth === 0) return isBeyond(value) ? pointer : undefined;
  for (const [key, item] of isObject(value) ? Object.entries(value) : []) {
    const found = beyondAt(item, below(pointer, key), depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** V8's message with line and column added. */
function explain(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const offset = Number(/at position (\d+)/.exec(message)?.[1] ?? Number.NaN);
  if (Number.isNaN(offset) || /line \d+/.test(message)) return message;
  const before = text.slice(0, offset).split('\n');
  return `${message} (line ${before.length}, column ${(before.at(-1) ?? '').length + 1})`;
}

/** A request's JSON body. A missing content type counts as JSON; any other type is refused. */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const type = mediaType(request);
  if (type !== '' && type !== 'application/json' && !type.endsWith('+json')) {
    throw new PenstockError(
      'unsupported-media-type',
      `The content type ${type} is not supported here. Send application/json.`,
    );
  }
  return parseJson(textOf(await readBody(request, limit)));
}

/** Whether a request has a body, even an empty one. */
export const hasBody = (request: Request): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
