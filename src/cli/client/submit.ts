import { Readable } from 'node:stream';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { CliIo } from '../terminal/io.js';
import { transferBar } from '../terminal/progress.js';
import type { Client, Json } from './client.js';
import { CliError, Ended, exitCodes } from './failure.js';
import { type Input, multipart } from './input.js';
import { textOf } from './transport.js';

interface Submission {
  path: string;
  request: RunDocument;
  input: Input | undefined;
  idempotencyKey: string | undefined;
  signal: AbortSignal;
  /** Called when the last byte has been sent: from then on the job may exist. */
  uploaded: () => void;
}

/**
 * Submits a run and returns the job. It never waits in the same request, so the job is known and can be cancelled as
 * soon as the server accepts it, and a lost connection loses nothing.
 */
export async function submit(client: Client, submission: Submission, io: CliIo): Promise<Json> {
  const { path, request, input, idempotencyKey, signal, uploaded } = submission;
  const headers: Record<string, string> =
    idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey };
  if (input === undefined) {
    uploaded();
    return jobOf(client, await client.ask('POST', path, { json: request, headers, signal }));
  }
  const bar = transferBar(io, 'uploading', input.expected);
  try {
    const form = needsForm(request, input) ? multipart({ ...request }, input) : undefined;
    const length = form === undefined ? input.size : form.length;
    const answer = await client.ask('POST', path, {
      query: form === undefined ? { output_name: request.output?.name } : {},
      headers: {
        ...headers,
        'Content-Type': form?.type ?? 'application/octet-stream',
        ...(length === undefined ? {} : { 'Content-Length': String(length) }),
      },
      body: Readable.from(bytesOf(input, form, bar.update, uploaded), { objectMode: false }),
      signal,
    });
    bar.stop();
    return await jobOf(client, answer);
  } catch (error) {
    bar.stop();
    if (signal.aborted) throw new Ended(exitCodes.interrupted);
    throw error;
  } finally {
    // Otherwise an idle pipe on standard input would keep the process alive after the server has refused.
    input.stream.destroy();
  }
}

/** Plain bytes are fastest. A form is needed to send more than bytes and an output name. */
function needsForm(request: RunDocument, input: Input): boolean {
  return input.name !== undefined || request.environment !== undefined || request.timeout !== undefined;
}

async function* bytesOf(
  input: Input,
  form: { head: Buffer; tail: Buffer } | undefined,
  report: (bytes: number) => void,
  uploaded: () => void,
): AsyncGenerator<Buffer> {
  if (form !== undefined) yield form.head;
  let sent = 0;
  for await (const chunk of input.stream) {
    const bytes = Buffer.from(chunk);
    sent += bytes.length;
    report(sent);
    yield bytes;
  }
  if (input.size !== undefined && sent !== input.size) {
    throw new Error(`the file was truncated while it was read: ${sent} of ${input.size} bytes`);
  }
  if (form !== undefined) yield form.tail;
  uploaded();
}

async function jobOf(client: Client, answer: Awaited<ReturnType<Client['ask']>>): Promise<Json> {
  const text = await textOf(answer);
  const { location } = answer.headers;
  if (text.trim() === '' && location !== undefined) return client.object('GET', client.pathOf(location));
  try {
    const job = JSON.parse(text) as Json;
    if (typeof job.uuid === 'string') return job;
  } catch {
    // Reported below.
  }
  throw new CliError('The server did not return the job that it created.');
}
