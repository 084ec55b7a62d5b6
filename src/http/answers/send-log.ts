import type { Request, Response } from 'express';
import type { JobFile } from '../../usecases/jobs/job-files.js';
import { type AskedPart, partsOf, positionHeaders, rangeOf, sendPart, wholeLines } from './log-part.js';
import { sendBytes } from './send-bytes.js';

/**
 * Sends a log, or a part of it. Places in it, in `Range` as in `offset`, in headers as in the ids of a stream, are those
 * of its bytes from the first that was ever written, whatever was cut away since.
 */
export async function sendLogFile(
  request: Request,
  response: Response,
  log: JobFile,
  attempt: number,
  asked: AskedPart | null,
): Promise<void> {
  const whole = partsOf(log);
  if (asked !== null) {
    const part = await wholeLines(log, asked);
    const headers = positionHeaders(whole, part, attempt);
    return sendPart(response, log, part, { status: 200, headers });
  }
  const { headers: sent } = request;
  if (whole.from === whole.to) {
    // Nothing at all is what there is: no part of it could be missed.
    delete sent.range;
  } else if (sent.range !== undefined && log.start > 0) {
    // What may have changed by a cut is sent whole to whoever wants it only as it was.
    const part = sent['if-range'] === undefined ? rangeOf(sent.range, whole) : null;
    delete sent.range;
    if (part !== null) {
      const range = `bytes ${part.from}-${part.to - 1}/${whole.to}`;
      const headers = { ...positionHeaders(whole, part, attempt), 'Content-Range': range };
      return sendPart(response, log, part, { status: 206, headers });
    }
  }
  for (const [name, place] of Object.entries(positionHeaders(whole, whole, attempt))) {
    // A range's own place is told by Content-Range.
    if (sent.range === undefined || !/^Log-(From|To)$/.test(name)) response.setHeader(name, place);
  }
  return sendBytes(response, log);
}
