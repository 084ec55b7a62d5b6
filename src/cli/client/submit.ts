import { Readable } from 'node:stream';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { CliIo } from '../terminal/io.js';
import { transferBar } from '../terminal/progress.js';
import type { Client, Json } from './client.js';
import { CliError, Ended, exitCodes } from './failure.js';
import { contentOf, formOf, type Part } from './form.js';
import type { Input } from './input.js';
import { textOf } from './transport.js';

interface Submission {
  path: string;
  request: RunDocument;
  /** The one input of what declares none. */
  input: Input | undefined;
  /** The declared inputs. */
  parts: readonly Part[];
  idempotencyKey: string | undefined;
  /** Asks only what would run. */
  dryRun: boolean;
  signal: AbortSignal;
  /** Called when the last byte has been sent: from then on the job may exist. */
  uploaded: () => void;
}

/**
 * Submits a run and returns the job. It never waits in the same request, so the job is known and can be cancelled as
 * soon as the server accepts it, and a lost connection loses nothing.
 */
export async function submit(client: Client, submission: Submission, io: CliIo): Promise<Json> {
  const { path, request, input, idempotencyKey, dryRun, signal, uploaded } = submission;
  const headers: Record<string, string> =
    idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey };
  const query = dryRun ? { dry_run: 1 } : {};
  const parts = partsOf(submission);
  if (parts === undefined && input === undefined) {
    uploaded();
    return jobOf(client, await client.ask('POST', path, { query, json: request, headers, signal }), dryRun);
  }
  const inputs = (parts ?? []).flatMap((part) => ('input' in part ? [part.input] : []));
  if (parts === undefined && input !== undefined) inputs.push(input);
  const expected = inputs.reduce((sum, one) => sum + (one.expected ?? Number.NaN), 0);
  const bar = transferBar(io, 'uploading', Number.isNaN(expected) ? undefined : expected);
  try {
    const form = parts === undefined ? undefined : formOf(parts);
    const length = form === undefined ? input?.size : form.length;
    const bytes = form?.bytes(bar.update) ?? plain(input as Input, bar.update);
    const answer = await client.ask('POST', path, {
      query: { ...query, ...(form === undefined ? { output_name: request.output?.name } : {}) },
      headers: {
        ...headers,
        'Content-Type': form?.type ?? 'application/octet-stream',
        ...(length === undefined ? {} : { 'Content-Length': String(length) }),
      },
      body: Readable.from(thenTell(bytes, uploaded), { objectMode: false }),
      signal,
    });
    bar.stop();
    return await jobOf(client, answer, dryRun);
  } catch (error) {
    bar.stop();
    if (signal.aborted) throw new Ended(exitCodes.interrupted);
    throw error;
  } finally {
    // Otherwise an idle pipe on standard input would keep the process alive after the server has refused.
    for (const one of inputs) one.stream.destroy();
  }
}

/** The parts of the form to send; undefined if there need not be one: plain bytes and plain JSON are fastest. */
function partsOf({ request, input, parts }: Submission): Part[] | undefined {
  const job: Part = { name: 'job', text: JSON.stringify(request) };
  if (parts.length > 0) return Object.keys(request).length === 0 ? [...parts] : [job, ...parts];
  if (input === undefined) return undefined;
  const more = input.name !== undefined || request.environment !== undefined || request.timeout !== undefined;
  return more ? [job, { name: 'input_file', input }] : undefined;
}

async function* plain(input: Input, report: (bytes: number) => void): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const bytes of contentOf(input)) {
    sent += bytes.length;
    report(sent);
    yield bytes;
  }
}

async function* thenTell(bytes: AsyncGenerator<Buffer>, tell: () => void): AsyncGenerator<Buffer> {
  yield* bytes;
  tell();
}

async function jobOf(
  client: Client,
  answer: Awaited<ReturnType<Client['ask']>>,
  dryRun: boolean,
): Promise<Json> {
  const text = await textOf(answer);
  const { location } = answer.headers;
  if (text.trim() === '' && location !== undefined) return client.object('GET', client.pathOf(location));
  try {
    const job = JSON.parse(text) as Json;
    if (dryRun || typeof job.uuid === 'string') return job;
  } catch {
    // Reported below.
  }
  throw new CliError('The server did not return the job that it created.');
}
