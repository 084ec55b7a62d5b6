import type { Client } from './client.js';
import { CliError } from './failure.js';
import { textOf } from './transport.js';

const lineLimit = 20;
const byteLimit = 16 * 1024;

/** The last lines of a log, without fetching the rest. Undefined if there are none. */
export async function tailOf(
  client: Client,
  path: string,
): Promise<{ text: string; cut: boolean } | undefined> {
  let answer: Awaited<ReturnType<Client['ask']>>;
  try {
    answer = await client.ask('GET', path, { headers: { Range: `bytes=-${byteLimit}`, Accept: '*/*' } });
  } catch (error) {
    // The log was removed or is unreachable. The outcome has been printed, and that is what matters.
    if (error instanceof CliError) return undefined;
    throw error;
  }
  return lastLines(
    await textOf(answer),
    answer.status === 206 && !isWhole(answer.headers['content-range'], answer.headers['log-start']),
  );
}

/** True if a range begins where its log does. */
const isWhole = (range: string | undefined, start: unknown): boolean =>
  range?.startsWith(`bytes ${start ?? 0}-`) === true;

/** The last lines of a text. If the text is only the end of a log, its first line may be incomplete and is dropped. */
function lastLines(text: string, partial: boolean): { text: string; cut: boolean } | undefined {
  const lines = text.replace(/\n$/, '').split('\n');
  if (partial && lines.length > 1) lines.shift();
  const kept = lines.slice(-lineLimit);
  const joined = kept.join('\n');
  return joined.trim() === ''
    ? undefined
    : { text: printable(joined), cut: partial || kept.length < lines.length };
}

/** Keeps colours and tabs, which programs do use, and removes other control sequences. */
function printable(text: string): string {
  return text
    .replace(/\r+$/gm, '')
    .replace(/\r/g, '\n')
    .replace(/(\p{Cc}\[[\d;]*m)|\p{Cc}/gu, (found, colour: string | undefined) =>
      found === '\n' || found === '\t' || colour?.startsWith('\x1b') ? found : '\uFFFD',
    );
}
