import type { Request, Response } from 'express';
import type { JobFile } from '../../usecases/jobs/job-files.js';
import { type AskedPart, partsOf, positionHeaders, rangeOf, sendPart, wholeLines } from './log-part.js';
import { sendBytes } from './send-bytes.js';

/**
 * Sends a log, or a part of it. All positions (`Range`, `offset`, headers, ids of a stream) count from the first byte
 * ever written, even if that was cut away since.
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
    // The log is empty, so any range is the whole log.
    delete sent.range;
  } else if (sent.range !== undefined && log.start > 0) {
    // With If-Range, send the whole log, because it may have been shortened since.
    const part = sent['if-range'] === undefined ? rangeOf(sent.range, whole) : null;
    delete sent.range;
    if (part !== null) {
      const range = `bytes ${part.from}-${part.to - 1}/${whole.to}`;
      const headers = { ...positionHeaders(whole, part, attempt), 'Content-Range': range };
      return sendPart(response, log, part, { status: 206, headers });
    }
  }
  for (const [name, place] of Object.entries(positionHeaders(whole, whole, attempt))) {
    // For a range, Content-Range says the same.
    if (sent.range === undefined || !/^Log-(From|To)$/.test(name)) response.setHeader(name, place);
  }
  return sendBytes(response, log);
}
