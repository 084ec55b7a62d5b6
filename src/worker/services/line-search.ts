import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { createContext, Script } from 'node:vm';
import { longestLine } from '../../domain/services/service.js';
import { logStart } from '../../store/folder/log-file.js';

/** How much of a log is searched at once, in bytes. */
const piece = 256 * 1024;
/** Milliseconds that an expression may take for that: some take ages on an unexpected line. */
const patience = 100;

const search = new Script('lines.some((line) => expression.test(line))');

/**
 * Looks for a line in a log as it grows. Each line is checked once, when it is complete.
 *
 * @returns a function that checks new lines and returns whether one matched. It throws if the expression takes too
 * long.
 */
export function lineSearch(file: string, source: string): () => Promise<boolean> {
  let offset = 0;
  /** The beginning of a line that is not complete yet. */
  let begun = '';
  const decoder = new StringDecoder('utf8');
  const context = createContext({ lines: [] as string[], expression: new RegExp(source, 'u') });

  return async () => {
    offset = Math.max(offset, logStart(file));
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(file, 'r');
    } catch {
      return false; // not made yet
    }
    try {
      for (;;) {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(piece), 0, piece, offset);
        if (bytesRead === 0) return false;
        offset += bytesRead;
        const lines = (begun + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
        begun = (lines.pop() ?? '').slice(0, longestLine);
        context.lines = lines.map((line) => line.slice(0, longestLine).replace(/\r$/, ''));
        if (isFound(context)) return true;
      }
    } finally {
      await handle.close();
    }
  };
}

function isFound(context: object): boolean {
  try {
    return search.runInContext(context as ReturnType<typeof createContext>, { timeout: patience }) === true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new Error('service.ready.line takes too long to match its output');
  }
}
