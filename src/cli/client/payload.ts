import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { Input } from './input.js';

/** The body of a run that is more than JSON: it is streamed, whatever its size. */
export interface Payload {
  type: string;
  /** The exact number of bytes, if it is known. */
  length: number | undefined;
  /** The approximate number, for a progress bar. */
  expected: number | undefined;
  /** What must stand in the query because the body has no place for it. */
  query: Record<string, string | undefined>;
  bytes(): AsyncGenerator<Buffer>;
  /** Gives up everything that is still open. */
  close(): void;
}

/** A file of a form. It is opened only when its turn comes, so that a folder of many files needs one at a time. */
export interface FilePart {
  name: string;
  /** Undefined if nobody knows it, as for standard input. */
  fileName: string | undefined;
  size: number | undefined;
  expected: number | undefined;
  open(): Promise<Readable>;
  close(): void;
}

/** The body of a run of a definition that declares no inputs: at most one file. */
export function plainPayload(request: RunDocument, input: Input): Payload {
  const { stream, size, expected } = input;
  const part = {
    name: 'input_file',
    fileName: input.name ?? 'input',
    size,
    expected,
    open: async () => stream,
    close: () => stream.destroy(),
  };
  // Plain bytes are fastest. A form is needed to send more than bytes and an output name.
  const needsForm =
    input.name !== undefined || request.environment !== undefined || request.timeout !== undefined;
  if (needsForm) return formPayload(request, [], [part]);
  return {
    type: 'application/octet-stream',
    length: size,
    expected,
    query: { output_name: request.output?.name },
    bytes: () => bytesOf(part),
    close: part.close,
  };
}

/**
 * A body of `multipart/form-data`. The settings come first, then the values, so that the server can refuse them before
 * the files are sent.
 */
export function formPayload(
  job: RunDocument,
  fields: readonly (readonly [name: string, text: string])[],
  files: readonly FilePart[],
): Payload {
  const boundary = `penstock-${randomUUID()}`;
  const partHead = (disposition: string, type?: string) =>
    `\r\n--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n` +
    `${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`;
  const start = Buffer.from(
    [
      partHead('name="job"', 'application/json') + JSON.stringify(job),
      ...fields.map(([name, text]) => partHead(`name="${quoted(name)}"`) + text),
    ]
      .join('')
      .slice('\r\n'.length),
  );
  const parts = files.map((file) => {
    const fileName = file.fileName === undefined ? '' : `; filename="${quoted(file.fileName)}"`;
    const disposition = `name="${quoted(file.name)}"${fileName}`;
    return { file, head: Buffer.from(partHead(disposition, 'application/octet-stream')) };
  });
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const around = parts.reduce((sum, { head }) => sum + head.length, start.length + end.length);
  const length = total(files.map(({ size }) => size));
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length: length === undefined ? undefined : around + length,
    expected: total(files.map(({ expected }) => expected)),
    query: {},
    async *bytes() {
      yield start;
      for (const { file, head } of parts) {
        yield head;
        yield* bytesOf(file);
      }
      yield end;
    },
    close() {
      for (const file of files) file.close();
    },
  };
}

async function* bytesOf({ size, open }: FilePart): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of await open()) {
    const bytes = Buffer.from(chunk);
    sent += bytes.length;
    yield bytes;
  }
  if (size !== undefined && sent !== size) {
    throw new Error(`the file was truncated while it was read: ${sent} of ${size} bytes`);
  }
}

/** Escaped as browsers do it (WHATWG HTML, multipart/form-data encoding algorithm). */
const quoted = (name: string): string =>
  name.replace(/["\r\n]/g, (character) => encodeURIComponent(character));

/** The sum, or undefined if a part of it is not known. */
function total(sizes: readonly (number | undefined)[]): number | undefined {
  return sizes.reduce<number | undefined>(
    (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
    0,
  );
}
