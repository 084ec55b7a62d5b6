import { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { fetchInput } from '../../usecases/runs/fetch-input.js';
import type { Received, Receiver } from '../../usecases/runs/receive.js';
import { goneSignal } from '../answers/answer.js';
import { beginning, bodyOf, hasBody, mediaType, readJson } from './body.js';
import { readMultipart } from './multipart.js';

export interface RunBodyOptions {
  receiver: Receiver;
  maxBodySize: number;
  /** How to fetch inputs from URLs. The timeout, in milliseconds, is for the whole download. */
  inputUrl: { privateAddresses: boolean; timeout: number };
}

/** What is known of a run before its body is read. */
interface Asked {
  /** What its input is to be called, whatever the body says. */
  name: string | undefined;
  /** The same of its output. */
  output: string | undefined;
  /** Whether the input's digest is needed. */
  digest: boolean;
  /** Checks the document that comes with the input, or instead of it. */
  checked: (value: unknown) => RunDocument;
}

/** Reads the body of a run in any of its forms. The input is on the disk when this returns. */
export async function readRunBody(
  request: Request,
  response: Response,
  { receiver, maxBodySize, inputUrl }: RunBodyOptions,
  received: Received,
  { name, output, digest, checked }: Asked,
): Promise<RunDocument> {
  const type = mediaType(request);
  let document: RunDocument = {};
  if (type === 'multipart/form-data') {
    const parts = await readMultipart(request, receiver, received, {
      maxBodySize,
      digest,
      name,
    });
    if (parts.job !== undefined) document = checked(parts.job);
    if (document.input !== undefined && received.input !== null) {
      throw new PenstockError(
        'invalid-body',
        'There are two inputs: the part input_file, and input in the part job. Send only one.',
      );
    }
  } else if (type === 'application/json' && hasBody(request)) {
    document = checked(await readJson(request, maxBodySize));
  } else {
    if (Number(request.headers['content-length'] ?? 0) > receiver.limit) {
      throw new PenstockError(
        'too-large',
        `The input is larger than ${receiver.limit} bytes (MAX_INPUT_SIZE).`,
      );
    }
    const body = await beginning(bodyOf(request));
    // An empty body is no input. With a content type, it is an empty file.
    if (body !== null || type !== '') {
      await receiver.store(received, name ?? 'input', body ?? Readable.from([]), { digest });
    }
  }
  const { input } = document;
  if (input?.text !== undefined) {
    await receiver.store(received, name ?? input.name ?? 'input', Readable.from([Buffer.from(input.text)]), {
      digest,
    });
  } else if (input?.url !== undefined) {
    const fetched = await fetchInput(input.url, {
      ...inputUrl,
      signal: goneSignal(response),
      limit: receiver.limit,
    });
    const chosen = name ?? input.name ?? fetched.name ?? 'input';
    await receiver.store(received, chosen, fetched.stream, { digest });
  }
  if (output !== undefined) {
    document = { ...document, output: { ...document.output, name: output } };
  }
  return document;
}
