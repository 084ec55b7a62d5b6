import { pipeline, Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { messageOf, PenstockError } from '../../lib/errors.js';

/** No server stacks more than two; each costs memory while it works. */
const mostCodings = 5;

type Open = (first: Buffer) => Transform;

/** Zstandard came to Node with 22.15 and 23.8. */
const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: () => Transform };

/** By the standard `deflate` is wrapped as zlib; some servers send it bare. */
const isWrapped = (first: Buffer): boolean =>
  first.length > 1 && ((first[0] ?? 0) & 0x0f) === 8 && first.readUInt16BE(0) % 31 === 0;

const gunzip: Open = () => zlib.createGunzip();

/** The decoder of each coding (RFC 9110, 8.4.1), given the first two bytes. */
const decoders: ReadonlyMap<string, Open> = new Map<string, Open>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', (first) => (isWrapped(first) ? zlib.createInflate() : zlib.createInflateRaw())],
  ['br', () => zlib.createBrotliDecompress()],
  ...(createZstdDecompress === undefined ? [] : ([['zstd', createZstdDecompress]] as const)),
]);

/**
 * Decodes the bytes that a server sent.
 *
 * @param header its `Content-Encoding`: the codings in the order in which they were applied
 * @param host the server, for error messages
 * @param limit how many bytes there may be between two codings; the caller must count the decoded bytes
 * @throws PenstockError `input-source-failed` for an unknown coding, and for bytes that cannot be decoded;
 *   `too-large` beyond the limit
 */
export function decoded(
  pieces: AsyncIterable<Buffer>,
  header: string | undefined,
  host: string,
  limit: number,
): AsyncIterable<Buffer> {
  const codings = (header ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length > mostCodings) {
    throw failed(
      `${host} sent the input with ${codings.length} content encodings, more than ${mostCodings}.`,
    );
  }
  let result = pieces;
  for (const [index, coding] of [...codings].reverse().entries()) {
    const open = decoders.get(coding);
    if (open === undefined) throw failed(whyNot(coding, host));
    result = undone(result, coding, open, host);
    if (index < codings.length - 1) result = bounded(result, host, limit);
  }
  return result;
}

const failed = (detail: string) => new PenstockError('input-source-failed', detail);

function whyNot(coding: string, host: string): string {
  const what = `${host} sent the input with the content encoding '${coding.slice(0, 40)}'`;
  return coding === 'zstd'
    ? `${what}, which the Node.js of this server (${process.version}) cannot decode: 22.15 and later can.`
    : `${what}, which is unknown; known are ${[...decoders.keys()].join(', ')}.`;
}

/** Decodes one coding. An empty body is empty in each of them. */
async function* undone(
  pieces: AsyncIterable<Buffer>,
  coding: string,
  open: Open,
  host: string,
): AsyncGenerator<Buffer> {
  const source = pieces[Symbol.asyncIterator]();
  const first = await beginning(source);
  if (first.length === 0) return;
  async function* all(): AsyncGenerator<Buffer> {
    yield first;
    yield* { [Symbol.asyncIterator]: () => source };
  }
  const decoder = open(first);
  // Reading throws the error as well, and it is reported there.
  pipeline(Readable.from(all()), decoder, () => {});
  try {
    for await (const piece of decoder) yield piece as Buffer;
  } catch (error) {
    if (error instanceof PenstockError) throw error;
    throw failed(`What ${host} sent as '${coding}' cannot be decoded: ${messageOf(error)}.`);
  } finally {
    // Not awaited: it may be waiting for bytes that nobody needs any longer.
    source.return?.().catch(() => {});
  }
}

/** At least the bytes needed to detect the format; fewer if there are no more. */
async function beginning(source: AsyncIterator<Buffer>): Promise<Buffer> {
  let first: Buffer = Buffer.alloc(0);
  while (first.length < 2) {
    const next = await source.next();
    if (next.done) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return first;
}

async function* bounded(pieces: AsyncIterable<Buffer>, host: string, limit: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) {
      const detail = `What ${host} sent is larger between two of its content encodings than ${limit} bytes (MAX_INPUT_SIZE).`;
      throw new PenstockError('too-large', detail);
    }
    yield piece;
  }
}
