import type { Response } from 'express';

/** Runs nothing, loads nothing, and belongs to no origin: for whatever is not a page of ours. */
export const sandbox = "default-src 'none'; frame-ancestors 'self'; sandbox";

/** Signs that turn the direction of what follows: with them `exe.txt` may look like `txt.exe`. */
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Says of bytes that a program or a user made: save them, under this name. A browser that shows them nonetheless, as in
 * a frame, is told by the policy of every answer to run nothing of them.
 */
export function saveAs(response: Response, name: string): void {
  response.attachment(name.replace(bidiControls, '_'));
  // A name without a known extension says nothing of the bytes.
  if (!/\.[^.]+$/.test(name) || response.get('Content-Type') === undefined)
    response.type('application/octet-stream');
}
