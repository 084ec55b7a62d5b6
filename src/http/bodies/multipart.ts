import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import type { Request } from 'express';
import { messageOf, PenstockError } from '../../lib/errors.js';
import type { Received, Receiver } from '../../usecases/runs/receive.js';
import { checkedFileName } from '../../usecases/runs/receive.js';
import { watchBody } from '../guards/patience.js';
import { parseJson, textOf } from './body.js';
import { preferExtendedNames } from './part-names.js';

/** The parts of a multipart run. */
interface Multipart {
  /** The part `job`, parsed; undefined if there was none. */
  job: unknown;
  /** The name of the file in the part `input_file`. */
  fileName: string | undefined;
}

/** The name of an additional input. Null for other parts. */
const namedInput = (part: string): string | null =>
  /^input_file\.([A-Za-z0-9_-]{1,64})$/.exec(part)?.[1] ?? null;

/** A reader that stops early leaves the parser alone; `fail` ends it, with the reason. */
const piecesOf = (stream: Readable) => stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

/**
 * Reads a `multipart/form-data` run. The files `input_file` and `input_file.NAME` go straight to their place on the
 * disk. The part `job` is JSON, as a field or a file. Refuses any other part.
 */
export async function readMultipart(
  request: Request,
  receiver: Receiver,
  received: Received,
  options: { maxBodySize: number; digest: boolean; name: string | undefined },
): Promise<Multipart> {
  const result: Multipart = { job: undefined, fileName: undefined };
  let files = 0;
  let failure: unknown;
  const stores: Promise<void>[] = [];
  const open = new Set<Readable>();
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  /** The first mistake ends everything, so that nobody waits for the rest of a refused upload. */
  const fail = (error: unknown) => {
    failure ??= error;
    for (const stream of open) stream.destroy();
    stop();
  };
  const wrongPart = (name: string) =>
    new PenstockError(
      'invalid-body',
      `Unknown part '${name}'. The parts are input_file (the input), input_file.NAME (additional inputs) and job (JSON).`,
      {
        problems: [{ pointer: `/${name}`, detail: 'unknown part; send input_file or job' }],
      },
    );

  const unreadablePart = () =>
    new PenstockError(
      'invalid-body',
      'A part of the multipart body is invalid: its Content-Disposition has no name, or its name or file name contains a line break.',
    );
  const jobTooLarge = () =>
    new PenstockError(
      'too-large',
      `The part job is larger than ${options.maxBodySize} bytes (MAX_BODY_SIZE).`,
    );

  let parser: InstanceType<typeof Busboy>;
  try {
    parser = new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { fields: 10, files: 110, parts: 130, fieldSize: options.maxBodySize, headerPairs: 100 },
    });
  } catch (error) {
    throw new PenstockError('bad-header', `Content-Type: ${messageOf(error)}`);
  }
  let missing = 0;
  preferExtendedNames(parser, () => {
    missing += 1;
  });
  parser.on('file', (name, stream, fileName) => {
    missing -= 1;
    open.add(stream);
    stream.on('error', fail);
    stream.on('close', () => open.delete(stream));
    if (name === 'job') {
      const pieces: Buffer[] = [];
      let size = 0;
      stream.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size <= options.maxBodySize) pieces.push(piece);
      });
      stream.on('end', () => {
        if (size > options.maxBodySize) fail(jobTooLarge());
        else setJob(Buffer.concat(pieces));
      });
      return;
    }
    const beside = namedInput(name);
    if (beside !== null) {
      if (Object.hasOwn(received.named, beside)) {
        fail(new PenstockError('invalid-body', `There is more than one ${name}.`));
        stream.resume();
        return;
      }
      received.named[beside] = null;
      stores.push(
        receiver.storeNamed(received, beside, piecesOf(stream), { digest: options.digest }).catch(fail),
      );
      return;
    }
    files += 1;
    if (name !== 'input_file' || files > 1) {
      fail(
        name === 'input_file'
          ? new PenstockError('invalid-body', 'There is more than one input_file.')
          : wrongPart(name),
      );
      stream.resume();
      return;
    }
    try {
      const given =
        fileName === '' || fileName === undefined ? undefined : checkedFileName(fileName, '/input_file');
      result.fileName = given;
      stores.push(
        receiver
          .store(received, options.name ?? given ?? 'input', piecesOf(stream), { digest: options.digest })
          .catch(fail),
      );
    } catch (error) {
      fail(error);
      stream.resume();
    }
  });
  parser.on('field', (name, value, _nameTruncated, valueTruncated) => {
    missing -= 1;
    if (name !== 'job') fail(wrongPart(name));
    else if (valueTruncated) fail(jobTooLarge());
    else setJob(Buffer.from(value));
  });
  function setJob(bytes: Buffer): void {
    try {
      if (result.job !== undefined)
        throw new PenstockError('invalid-body', 'There is more than one part job.');
      result.job = parseJson(textOf(bytes));
    } catch (error) {
      fail(
        error instanceof PenstockError
          ? new PenstockError(error.code, `In the part job: ${error.message}`)
          : error,
      );
    }
  }

  parser.on('finish', () => {
    // Do not ignore an unreadable part silently.
    if (missing > 0) fail(unreadablePart());
    stop();
  });
  parser.on('error', (error: unknown) =>
    fail(new PenstockError('bad-request', `Invalid multipart body: ${messageOf(error)}.`)),
  );
  const unwatch = watchBody(request, false, fail);
  request.on('aborted', () =>
    fail(new PenstockError('bad-request', 'The connection was lost before the request was complete.')),
  );
  request.pipe(parser);
  await stopped;
  unwatch();
  await Promise.all(stores);
  if (failure !== undefined) {
    request.unpipe(parser);
    throw failure;
  }
  return result;
}
