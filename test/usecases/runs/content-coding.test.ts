import http from 'node:http';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PenstockError } from '../../../src/lib/errors.js';
import { fetchInput } from '../../../src/usecases/runs/fetch-input.js';

const limit = 2 ** 20;
/** What the server answers next. */
let next: { body: Buffer; coding: string | undefined; pieces: number };
let port: number;
const server = http.createServer((_request, response) => {
  const { body, coding, pieces } = next;
  response.writeHead(200, coding === undefined ? {} : { 'Content-Encoding': coding });
  const size = Math.max(1, Math.ceil(body.length / pieces));
  for (let at = 0; at < body.length; at += size) response.write(body.subarray(at, at + size));
  response.end();
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** What is fetched of a server that sends these bytes, or what is said of them. */
async function fetched(body: Buffer, coding?: string, pieces = 1): Promise<Buffer> {
  next = { body, coding, pieces };
  const options = { privateAddresses: true, timeout: 60_000, signal: new AbortController().signal, limit };
  const { stream } = await fetchInput(`http://127.0.0.1:${port}/a`, options);
  const all: Buffer[] = [];
  for await (const piece of stream) all.push(piece);
  return Buffer.concat(all);
}
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing went wrong',
    (error: PenstockError) => `${error.code}: ${error.message}`,
  );

const { zstdCompressSync } = zlib as unknown as { zstdCompressSync?: (bytes: Buffer) => Buffer };
const encoders: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: zlib.gzipSync,
  'x-gzip': (bytes) => zlib.gzipSync(bytes, { level: 1 }),
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  identity: (bytes) => bytes,
  ...(zstdCompressSync === undefined ? {} : { zstd: zstdCompressSync }),
};

describe('a fetched input is what was meant, not how it was sent', () => {
  test('in any coding, several on top of each other, and in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...Object.keys(encoders)), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 40 }),
        async (codings, bytes, pieces) => {
          const meant: Buffer = Buffer.from(bytes);
          const sent = codings.reduce<Buffer>((body, coding) => encoders[coding]?.(body) ?? body, meant);
          const header = codings.map((coding, index) => (index % 2 ? coding.toUpperCase() : coding));
          const got = await fetched(sent, header.join(' , ') || undefined, pieces);
          expect(got.equals(meant)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('deflate without its wrapping, and a body of no bytes in a coding', async () => {
    expect(String(await fetched(zlib.deflateRawSync(Buffer.from('bare bytes')), 'deflate', 9))).toBe(
      'bare bytes',
    );
    for (const coding of ['gzip', 'deflate', 'br', 'gzip, br'])
      expect(await fetched(Buffer.alloc(0), coding)).toHaveLength(0);
  });
});

describe('what cannot be decoded is told', () => {
  test.each(['compress', 'aws-chunked', 'gzip, sdch', 'constructor'])('%s', async (coding) => {
    const name = coding.split(', ').at(-1);
    expect(await refusal(fetched(Buffer.from('x'), coding))).toMatch(
      new RegExp(`^input-source-failed: .*content encoding '${name}', which is unknown; known are gzip`),
    );
  });

  const has = zstdCompressSync === undefined ? '' : ' (skipped: this Node.js has it)';
  test.skipIf(has !== '')(`zstd, where Node.js has it not${has}`, async () => {
    expect(await refusal(fetched(Buffer.from('x'), 'zstd'))).toMatch(
      /^input-source-failed: .*Node\.js .*22\.15/,
    );
  });

  test('more codings than anybody stacks', async () => {
    expect(await refusal(fetched(Buffer.from('x'), Array(6).fill('gzip').join()))).toMatch(
      /^input-source-failed: .*6 content encodings, more than 5/,
    );
  });

  test.each(['gzip', 'deflate', 'br'])('%s that is none, or is cut off', async (coding) => {
    const whole = encoders[coding]?.(Buffer.from('some text '.repeat(50))) ?? Buffer.alloc(0);
    for (const bytes of [Buffer.from('this is plain text'), whole.subarray(0, whole.length - 9)]) {
      expect(await refusal(fetched(bytes, coding))).toMatch(/^input-source-failed: .* cannot be decoded: /);
    }
  });

  test('what grows beyond all bounds between two codings', async () => {
    const large = zlib.gzipSync(Buffer.alloc(40 * limit));
    expect(await refusal(fetched(zlib.gzipSync(large), 'gzip, gzip'))).toBe('nothing went wrong');
    // Empty members of gzip, which stand for nothing, and a million of them for nothing as well.
    const empties = Buffer.concat(Array<Buffer>(60_000).fill(zlib.gzipSync(Buffer.alloc(0))));
    expect(await refusal(fetched(zlib.gzipSync(empties), 'gzip, gzip'))).toMatch(
      /^too-large: .*between two of its content encodings than 1048576 bytes \(MAX_INPUT_SIZE\)/,
    );
  });
});

describe('the name that a URL suggests', () => {
  const nameOf = async (path: string) => {
    next = { body: Buffer.from('x'), coding: undefined, pieces: 1 };
    const options = { privateAddresses: true, timeout: 60_000, signal: new AbortController().signal, limit };
    const { stream, name } = await fetchInput(`http://127.0.0.1:${port}/${path}`, options);
    for await (const _ of stream);
    return name;
  };

  test.each<[string, string | undefined]>([
    ['bucket%2Fdeep%2Fdata.tsv?alt=media&token=1', 'data.tsv'],
    ['a%5Cb.txt', 'b.txt'],
    ['%C3%A9t%C3%A9.csv', 'été.csv'],
    ['x/%2e%2e%2f', undefined],
    ['folder%2F', undefined],
    [`${'%C3%A9'.repeat(128)}.csv`, undefined],
    ['line%0Abreak', undefined],
    ['nul%00', undefined],
    ['%E0%A4%A.csv', undefined],
    ['', undefined],
  ])('%.40s', async (path, name) => {
    expect(await nameOf(path)).toBe(name);
  });
});
