import { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { invalid } from '../../usecases/body.js';
import { fetchInput } from '../../usecases/runs/fetch-input.js';
import { type FindOutput, openIntake, type TakenInputs } from '../../usecases/runs/intake.js';
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
  /** What its main input is to be called, whatever the body says. */
  name: string | undefined;
  /** The same of its output. */
  output: string | undefined;
  /** Whether the digests of its inputs are needed. */
  digest: boolean;
  /** The inputs that it may have. */
  taken: TakenInputs;
  /** Values of inputs in the query, by name and text. */
  values: readonly (readonly [string, string])[];
  /** Checks the document that comes with the input, or instead of it. */
  checked: (value: unknown) => RunDocument;
  /** Finds outputs of other jobs. */
  find: FindOutput;
}

/** Reads the body of a run in any of its forms. The inputs are on the disk when this returns. */
export async function readRunBody(
  request: Request,
  response: Response,
  { receiver, maxBodySize, inputUrl }: RunBodyOptions,
  received: Received,
  { name, output, digest, taken, values, checked, find }: Asked,
): Promise<RunDocument> {
  const intake = openIntake({ receiver, received, taken, digest });
  for (const [input, text] of values) intake.text(input, text);
  const type = mediaType(request);
  let document: RunDocument = {};
  if (type === 'multipart/form-data') {
    const job = await readMultipart(request, intake, { maxBodySize, digest, name });
    if (job !== undefined) document = checked(job);
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
    // An empty body is no input. With a content type, it is an empty file, if a file is wanted: curl sends one with -d ''.
    if (body !== null || (type !== '' && intake.takesFiles)) {
      const input = intake.ofBody().name;
      await intake.file(
        input,
        name ?? (taken.declared ? undefined : 'input'),
        body ?? Readable.from([]),
        type,
      );
    }
  }
  const fetch = (url: string) =>
    fetchInput(url, { ...inputUrl, signal: goneSignal(response), limit: receiver.limit });
  const { input, inputs } = document;
  if (input !== undefined) {
    const main = intake.ofBody().name;
    if (inputs?.[main] !== undefined || received.files[main] !== undefined) {
      throw invalid('invalid-body', [
        { pointer: '/input', detail: `it is the input ${main}, which was sent, too` },
      ]);
    }
    // The older spelling; without a name of its own, the input is called `input`.
    const fallback = taken.declared ? undefined : 'input';
    if (input.text !== undefined) {
      await intake.file(main, name ?? input.name ?? fallback, Readable.from([Buffer.from(input.text)]));
    } else if (input.url !== undefined) {
      const fetched = await fetch(input.url);
      await intake.file(main, name ?? input.name ?? fetched.name ?? fallback, fetched.stream);
    }
  }
  if (inputs !== undefined) await intake.json(inputs, fetch, find);
  intake.finish();
  if (output !== undefined) {
    document = { ...document, output: { ...document.output, name: output } };
  }
  return document;
}
