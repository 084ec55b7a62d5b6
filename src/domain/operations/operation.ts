import type { OperationDocument } from '../../lib/generated/operation.js';
import type { Framing } from '../feeder/framing.js';

/** How an operation works, with every default filled in. */
export interface OperationSettings {
  framing: Framing;
  /** `one`: the n-th record answers the n-th message. `any`: records do not answer particular messages. */
  answers: 'one' | 'any';
  /** The content type of what is published; null is that of the message. */
  contentType: string | null;
  /** Null: the default for the mode. */
  prefetch: number | null;
  /** Jobs at once. */
  concurrency: number;
  maxDeliveries: number;
  /** The name of the stream for its dead letters; null is a stream of its own. */
  deadLetters: string | null;
  /** Declared inputs of the definition: values, or `{"message": POINTER}`. */
  inputs: Readonly<Record<string, unknown>>;
}

/** The keys of the document, in the order in which they are shown. */
export const documentKeys = [
  'framing',
  'answers',
  'content_type',
  'prefetch',
  'concurrency',
  'max_deliveries',
  'dead_letters',
  'inputs',
] as const;

/** @param row an operation as it is stored; its document has passed the schema, whose defaults these are */
export function operationSettings({ document }: { document: OperationDocument }): OperationSettings {
  return {
    framing: document.framing ?? 'line',
    // Without a framing the end of an answer is unknown.
    answers: document.answers ?? (document.framing === 'none' ? 'any' : 'one'),
    contentType: document.content_type ?? null,
    prefetch: document.prefetch ?? null,
    concurrency: document.concurrency ?? 1,
    maxDeliveries: document.max_deliveries ?? 5,
    deadLetters: document.dead_letters ?? null,
    inputs: (document.inputs as Record<string, unknown> | undefined) ?? {},
  };
}

/** The queue that an operation reads; several installations may share a broker. */
export const operationQueue = (id: number, instance: string): string => `operation-${id}-${instance}`;

/** How many messages may be unsettled at once. Jobs can only run concurrently if there are as many messages. */
export function prefetchOf(settings: OperationSettings, mode: 'single' | 'service'): number {
  if (mode === 'service') return settings.prefetch ?? 200;
  return Math.max(settings.prefetch ?? settings.concurrency * 2, settings.concurrency);
}

/** The headers that describe a dead letter. */
export const deadHeaders = {
  job: 'penstock-job',
  reason: 'penstock-reason',
  operation: 'penstock-operation',
} as const;

/** Set to `true` on what is published for a message that may have been answered before. */
export const redeliveredHeader = 'redelivered';

/** Set to `true` if the message's headers were too large to be passed on with its answer. */
const leftOutHeader = 'penstock-headers-left-out';

/** Bytes of headers that every broker accepts; the client libraries of other programs may add a few. */
const mostHeaders = 65_000;
const mostOfOurs = 5000;

/**
 * The headers of a message's answer, with those that we add. If they are too large together, the message's own headers
 * are dropped and a header says so: an answer that can never be published would hold up all that follow.
 */
export function fittingHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const size = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + byteLength(name) + byteLength(value) + 6,
    0,
  );
  if (size <= mostHeaders) return headers;
  const ours: readonly string[] = [...Object.values(deadHeaders), redeliveredHeader];
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    // Other programs may have used these names as well.
    ours.includes(name) ? [[name, value.slice(0, mostOfOurs)]] : [],
  );
  return { ...Object.fromEntries(kept), [leftOutHeader]: 'true' };
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

const endings: Readonly<Record<string, string>> = {
  'application/json': '.json',
  'application/xml': '.xml',
  'application/pdf': '.pdf',
  'audio/mpeg': '.mp3',
  'audio/wav': '.wav',
  'image/gif': '.gif',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'text/csv': '.csv',
  'text/html': '.html',
  'text/plain': '.txt',
  'text/xml': '.xml',
  'video/mp4': '.mp4',
};

/** The name of the file that holds a message without a `file-name`: programs look at the extension. */
export const messageFileName = (contentType: string): string =>
  `message${endings[contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''] ?? ''}`;
