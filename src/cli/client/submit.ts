import { Readable } from 'node:stream';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { CliIo } from '../terminal/io.js';
import { transferBar } from '../terminal/progress.js';
import { type AskOptions, type Client, type Json, parse } from './client.js';
import { CliError, Ended, exitCodes } from './failure.js';
import type { Payload } from './payload.js';
import { type Answer, textOf } from './transport.js';

interface Submission {
  path: string;
  query?: AskOptions['query'];
  request: RunDocument;
  /** Undefined if the request says everything. */
  payload: Payload | undefined;
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
  return jobOf(client, await sendRun(client, submission, io));
}

/** What would run, as the server tells it: nothing is started. */
export async function askPlan(
  client: Client,
  { path, request, payload }: Pick<Submission, 'path' | 'request' | 'payload'>,
  io: CliIo,
): Promise<Json> {
  const query = { dry_run: 1 };
  if (payload === undefined) return client.object('POST', path, { query, json: request });
  const { signal } = new AbortController();
  const rest = { idempotencyKey: undefined, signal, uploaded: () => {} };
  const answer = await sendRun(client, { path, query, request, payload, ...rest }, io);
  return parse(await textOf(answer), path);
}

async function sendRun(client: Client, submission: Submission, io: CliIo): Promise<Answer> {
  const { path, query, request, payload, idempotencyKey, signal, uploaded } = submission;
  const headers: Record<string, string> =
    idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey };
  if (payload === undefined) {
    uploaded();
    return client.ask('POST', path, { query, json: request, headers, signal });
  }
  const bar = transferBar(io, 'uploading', payload.expected);
  try {
    return await client.ask('POST', path, {
      query: { ...query, ...payload.query },
      headers: {
        ...headers,
        'Content-Type': payload.type,
        ...(payload.length === undefined ? {} : { 'Content-Length': String(payload.length) }),
      },
      body: Readable.from(reported(payload, bar.update, uploaded), { objectMode: false }),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw new Ended(exitCodes.interrupted);
    throw error;
  } finally {
    bar.stop();
    // Otherwise an idle pipe on standard input would keep the process alive after the server has refused.
    payload.close();
  }
}

async function* reported(
  payload: Payload,
  report: (bytes: number) => void,
  uploaded: () => void,
): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const bytes of payload.bytes()) {
    sent += bytes.length;
    report(sent);
    yield bytes;
  }
  uploaded();
}

async function jobOf(client: Client, answer: Answer): Promise<Json> {
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
