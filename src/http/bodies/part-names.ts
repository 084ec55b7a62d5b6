import type { EventEmitter } from 'node:events';
import { PenstockError } from '../../lib/errors.js';

/** One parameter of a header: `; name=value`, with or without quotes around the value. */
const parameter = /;[ \t]*([^=;\s"]+)[ \t]*=[ \t]*("(?:\\.|[^"\\])*"|[^;]*)/g;

/** An extended value (RFC 8187): charset, optional language, and percent-encoded bytes. */
const extended = /^(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})+)$/i;

/**
 * If a file has two names, `filename*` takes precedence (RFC 6266, 4.3): the other is for older software. An unreadable
 * `filename*` is ignored.
 *
 * @param disposition a Content-Disposition header
 * @returns the same header with only one name
 */
export function withOneName(disposition: string): string {
  const found = [...disposition.matchAll(parameter)].map(([text, name = '', value = '']) => ({
    text,
    name: name.toLowerCase(),
    value: value.trim(),
  }));
  const star = found.filter(({ name }) => name === 'filename*');
  if (star.length === 0) return disposition;
  const good = star.find(({ value }) => isReadable(value));
  const isPlain = ({ name }: { name: string }) => name === 'filename';
  if (good === undefined && !found.some(isPlain)) return disposition;
  const type = disposition.split(';', 1)[0] ?? '';
  const kept = found.filter((one) => (one.name === 'filename*' ? one === good : !isPlain(one) || !good));
  return type + kept.map(({ text }) => text).join('');
}

function isReadable(value: string): boolean {
  const [, charset = '', encoded = ''] = extended.exec(value) ?? [];
  if (charset.toLowerCase() !== 'utf-8') return charset !== '';
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

/** Internals of busboy, needed because it does not expose the headers of a part. */
interface Inside {
  _parser?: { parser?: EventEmitter };
}

/**
 * Makes a parser of multipart bodies use the right one of two file names. Call it before the parser reads anything.
 *
 * @param seen called for each part, because the parser silently skips some, such as one whose file name contains a line
 *   break
 */
export function preferExtendedNames(busboy: object, seen: () => void): void {
  const parts = (busboy as Inside)._parser?.parser;
  if (parts === undefined) {
    throw new PenstockError('unsupported-media-type', 'Only multipart/form-data is supported here.');
  }
  parts.on('part', (part: EventEmitter) => {
    seen();
    part.prependListener('header', (header: Record<string, string[]>) => {
      const [disposition, ...others] = header['content-disposition'] ?? [];
      if (disposition !== undefined) header['content-disposition'] = [withOneName(disposition), ...others];
    });
  });
}
