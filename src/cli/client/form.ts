import { randomUUID } from 'node:crypto';
import type { Input } from './input.js';

/** One part of a form: a text, or the bytes of a file. */
export type Part = { name: string; text: string } | { name: string; input: Input };

/** A body of `multipart/form-data`, of any size. */
interface Form {
  type: string;
  /** Its bytes; undefined if a part's size is unknown. */
  length: number | undefined;
  /** The bytes; `report` is told how many bytes of files have been read. */
  bytes(report: (bytes: number) => void): AsyncGenerator<Buffer>;
}

// Escaped as browsers do it (WHATWG HTML, multipart/form-data encoding algorithm).
const escaped = (text: string) => text.replace(/["\r\n]/g, (character) => encodeURIComponent(character));

/** The head of a part, up to its content. */
function headOf(part: Part, boundary: string): Buffer {
  const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(part.name)}"`;
  if ('text' in part) {
    const type = part.name === 'job' ? '\r\nContent-Type: application/json' : '';
    return Buffer.from(`${disposition}${type}\r\n\r\n`);
  }
  const file = escaped(part.input.name ?? 'input');
  return Buffer.from(`${disposition}; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`);
}

/** A form of these parts, which are read one after the other. */
export function formOf(parts: readonly Part[]): Form {
  const boundary = `penstock-${randomUUID()}`;
  const tail = Buffer.from(`--${boundary}--\r\n`);
  const sizes = parts.map((part) => {
    const size = 'text' in part ? Buffer.byteLength(part.text) : part.input.size;
    return size === undefined ? Number.NaN : headOf(part, boundary).length + size + 2;
  });
  const length = sizes.reduce((sum, size) => sum + size, tail.length);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length: Number.isNaN(length) ? undefined : length,
    async *bytes(report) {
      let sent = 0;
      for (const part of parts) {
        yield headOf(part, boundary);
        if ('text' in part) yield Buffer.from(part.text);
        else {
          for await (const bytes of contentOf(part.input)) {
            sent += bytes.length;
            report(sent);
            yield bytes;
          }
        }
        yield Buffer.from('\r\n');
      }
      yield tail;
    },
  };
}

/** The bytes of an input: as many as were announced. */
export async function* contentOf(input: Input): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of input.stream) {
    const bytes = Buffer.from(chunk);
    sent += bytes.length;
    yield bytes;
  }
  if (input.size !== undefined && sent !== input.size) {
    throw new Error(`the file was truncated while it was read: ${sent} of ${input.size} bytes`);
  }
}
