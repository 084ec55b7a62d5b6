import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import type { Request } from 'express';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { below } from '../../lib/pointer.js';
import type { Intake } from '../../usecases/runs/intake.js';
import { checkedFileName } from '../../usecases/runs/receive.js';
import { watchBody } from '../guards/patience.js';
import { parseJson, textOf } from './body.js';
import { preferExtendedNames } from './part-names.js';

/** A reader that stops early leaves the parser alone; `fail` ends it, with the reason. */
const piecesOf = (stream: Readable) => stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

/**
 * Reads a `multipart/form-data` run. Each part is an input by its name, or `job`, which is JSON. Files go straight to
 * their place on the disk. Refuses any other part.
 *
 * @param options `name`: what the main input is to be called, whatever its part says
 * @returns the part `job`, parsed; undefined if there was none
 */
export async function readMultipart(
  request: Request,
  intake: Intake,
  options: { maxBodySize: number; digest: boolean; name: string | undefined },
): Promise<unknown> {
  let job: unknown;
  let textSize = 0;
  const { main, declared } = intake.taken;
  let failure: unknown;
  const files = new Set<string>();
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
        problems: [{ pointer: below('', name), detail: 'unknown part; send input_file or job' }],
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
      limits: { fields: 1100, files: 1000, parts: 2100, fieldSize: options.maxBodySize, headerPairs: 100 },
    });
  } catch (error) {
    throw new PenstockError('bad-header', `Content-Type: ${messageOf(error)}`);
  }
  let missing = 0;
  preferExtendedNames(parser, () => {
    missing += 1;
  });
  parser.on('file', (name, stream, fileName, _encoding, mimeType) => {
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
    try {
      const input = intake.nameOf(name);
      if (input === undefined) throw wrongPart(name);
      if (!declared && files.has(name))
        throw new PenstockError('invalid-body', `There is more than one ${name}.`);
      files.add(name);
      const isMain = input === main;
      const given =
        fileName === '' || fileName === undefined ? undefined : checkedFileName(fileName, below('', name));
      const called =
        (isMain ? options.name : undefined) ?? given ?? (isMain && !declared ? 'input' : undefined);
      stores.push(intake.file(input, called, piecesOf(stream), mimeType).catch(fail));
    } catch (error) {
      fail(error);
      stream.resume();
    }
  });
  parser.on('field', (name, value, _nameTruncated, valueTruncated) => {
    missing -= 1;
    if (name === 'job') {
      if (valueTruncated) fail(jobTooLarge());
      else setJob(Buffer.from(value));
      return;
    }
    try {
      textSize += value.length;
      const input = declared ? intake.nameOf(name) : undefined;
      if (input === undefined) throw wrongPart(name);
      if (valueTruncated || textSize > options.maxBodySize) {
        throw new PenstockError(
          'too-large',
          `The values are larger than ${options.maxBodySize} bytes (MAX_BODY_SIZE).`,
        );
      }
      intake.text(input, value);
    } catch (error) {
      fail(error);
    }
  });
  function setJob(bytes: Buffer): void {
    try {
      if (job !== undefined) throw new PenstockError('invalid-body', 'There is more than one part job.');
      job = parseJson(textOf(bytes));
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
  return job;
}
