import path from 'node:path';
import type { Response } from 'express';

/** A policy for everything but our own pages: run nothing, load nothing, belong to no origin. */
export const sandbox = "default-src 'none'; frame-ancestors 'self'; sandbox";

/** Characters that change the direction of text: they can make `exe.txt` look like `txt.exe`. */
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Tells browsers to save bytes of a program or a user under this name. If a browser shows them anyway, for example in a
 * frame, the policy of every answer keeps it from running them.
 */
export function saveAs(response: Response, name: string): void {
  const type = typeByName(response, name);
  response.attachment(name.replace(bidiControls, '_'));
  response.setHeader('Content-Type', type);
}

/** The media type of a file by its name. Without a known extension, the type is unknown. */
export function typeByName(response: Response, name: string): string {
  const extension = path.extname(name);
  if (extension.length > 1) response.type(extension);
  const type = response.get('Content-Type');
  response.removeHeader('Content-Type');
  return type ?? 'application/octet-stream';
}
