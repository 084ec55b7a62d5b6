import path from 'node:path';
import { parseSize } from '../lib/size.js';
import { ConfigError, explainProblems } from './config-files.js';

/** Whole milliseconds, as the timeouts of Node.js require, rounded up. */
export const milliseconds = (seconds: number): number => Math.ceil(seconds * 1000);

/** A size in bytes, from a key that accepts units. */
export function sizeOf(file: string, key: string, value: string | number): number {
  const size = parseSize(value);
  if (size === undefined) {
    throw explainProblems(file, [
      { pointer: `/${key}`, detail: `'${value}' is not a size such as 500000, "10KB" or "2GiB"` },
    ]);
  }
  return size;
}

/** An origin as browsers write it: in lower case, and without the default port. */
export function originOf(file: string, index: number, text: string): string {
  if (URL.canParse(text)) return new URL(text).origin;
  throw explainProblems(file, [
    {
      pointer: `/TRUSTED_ORIGINS/${index}`,
      detail: `'${text}' is not an origin such as https://lab.example`,
    },
  ]);
}

/** @param from where the text comes from, for the error */
export function portOf(text: string, from: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535)
    throw new ConfigError(`${from}: '${text}' is not a port (0 to 65535)`);
  return port;
}

/** The file of the database: in the data folder, unless the URL says otherwise. */
export function databaseFile(url: string | undefined, data: string): string {
  if (url === undefined) return path.join(data, 'penstock.sqlite');
  if (!/^(file|sqlite):/.test(url)) {
    throw new ConfigError(
      `PENSTOCK_DATABASE_URL: '${url.replace(/\/\/.*@/, '//***@')}' is not supported. This version stores its data in SQLite: file:/path/to/penstock.sqlite`,
    );
  }
  return path.resolve(url.replace(/^(file|sqlite):(\/\/)?/, ''));
}
