import type { Client, ClientChannel } from 'ssh2';
import { processShell } from '../../processes/shell-process.js';
import { HostError, mostSaid, type Said, type ScriptOptions, usualTimeout } from '../host.js';
import { type MarkedStream, markedStream } from './ssh-said.js';
import { guard, newMark, scriptWords } from './ssh-words.js';

/** The other side accepts no further channel on this connection, or none at all. */
export class NoChannel extends Error {}

/** A script's output, byte for byte. */
export interface RawSaid extends Omit<Said, 'stdout'> {
  stdout: Buffer;
}

/** Ends a script that is still running. Its pid is only used if it is that very process. */
export const endScript = `${processShell}
signal_group KILL "$1" "$2"
`;

/** Milliseconds that a channel may stay open after a script's end, for processes left by its login shell. */
const lingering = 1000;

/** Connections over which a script has run: their login shell runs our commands. */
const proven = new WeakSet<Client>();

/**
 * Runs a script over an open connection. Throws `NoChannel` if it was not started because there are already too many.
 *
 * @param endThere called with the pid and start time of a script that was given up while it ran
 */
export function runOver(
  client: Client,
  name: string,
  script: string,
  options: ScriptOptions,
  endThere: (pid: string, start: string) => void,
): Promise<RawSaid> {
  const { signal, timeout = usualTimeout } = options;
  const mark = newMark();
  const kept: Record<'out' | 'err', Buffer[]> = { out: [], err: [] };
  return new Promise((resolve, reject) => {
    let channel: ClientChannel | null = null;
    let over = false;
    /** It was given up, and may be running. */
    let givenUp = false;
    let said = 0;
    let ended: { code: number | null; signal: string | null } | null = null;
    let linger: NodeJS.Timeout | undefined;
    const keep = (into: Buffer[]) => (bytes: Buffer) => {
      said += bytes.length;
      if (said <= mostSaid) into.push(bytes);
      else useless(`${name} sent more than ${mostSaid} bytes in answer to a command.`);
    };
    const out = markedStream(mark.text, keep(kept.out));
    const err = markedStream(mark.text, keep(kept.err));

    const end = (act: () => void) => {
      if (over) return;
      over = true;
      clearTimeout(late);
      clearTimeout(linger);
      client.removeListener('close', broken);
      signal?.removeEventListener('abort', aborted);
      act();
    };
    const give = (error: Error) =>
      end(() => {
        reject(error);
        channel?.close();
        givenUp = true;
        endIt();
      });
    /** Also ends the abandoned script on the other side. SSH's own signals do not reach root's processes. */
    const endIt = () => {
      const [, pid, start] = /^(\d+) (\d+)$/.exec(out.head() ?? '') ?? [];
      if (pid === undefined || start === undefined || out.tail() !== null) return;
      givenUp = false;
      endThere(pid, start);
    };
    const broken = () =>
      end(() =>
        reject(
          new HostError('unreachable', `The connection to ${name} broke while a command was running.`, {
            begun: true,
          }),
        ),
      );
    const aborted = () => give(signal?.reason as Error);
    const useless = (why: string) => give(new HostError('unreachable', why, { begun: true }));
    const late = setTimeout(
      () =>
        useless(
          out.head() === null
            ? `${name} did not start a command within ${timeout / 1000} s: ${otherShell(out, err)}`
            : `${name} did not finish a command within ${timeout / 1000} s.`,
        ),
      timeout,
    );
    const settle = () => {
      const code = out.tail();
      if (code === null && ended === null) return broken();
      if (out.head() === null || code === 'eaten') {
        const why =
          code === 'eaten' ? 'its login shell reads the input of the command.' : otherShell(out, err);
        const problem = new HostError(
          'shell',
          `${name} accepts the login, but does not run our commands: ${why}`,
        );
        return end(() => reject(problem));
      }
      out.flush();
      err.flush();
      const noise = out.noise();
      end(() =>
        resolve({
          ...(code === null ? (ended ?? { code: null, signal: null }) : { code: Number(code), signal: null }),
          stdout: Buffer.concat(kept.out),
          stderr: Buffer.concat(kept.err).toString(),
          ...(noise === '' ? {} : { noise }),
        }),
      );
    };
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    client.once('close', broken);

    const started = (error: Error | undefined, opened: ClientChannel) => {
      if (error) {
        // The channel is open, but the machine does not allow a command on it.
        const refused = /unable to exec/i.test(error.message);
        const why = `${name} accepts the login, but does not run commands: ${error.message}.`;
        return end(() => reject(refused ? new HostError('shell', why) : new NoChannel(error.message)));
      }
      channel = opened;
      if (over) return opened.close();
      let sent = false;
      const send = () => {
        if (sent) return;
        sent = true;
        opened.end(options.input ?? '');
      };
      opened.write(`${guard}\n`);
      // Input is only sent ahead of the script's first output if the connection has already run a script.
      if (proven.has(client)) send();
      const heard = (stream: MarkedStream) => (chunk: Buffer) => {
        stream.feed(chunk);
        // Its report that it runs may have been on the way when it was given up.
        if (givenUp) endIt();
        if (over) return;
        if (!sent && out.head() !== null) {
          proven.add(client);
          send();
        }
        if (linger !== undefined || out.tail() === null || err.tail() === null) return;
        linger = setTimeout(() => {
          opened.close();
          settle();
        }, lingering);
      };
      opened.on('data', heard(out));
      opened.stderr.on('data', heard(err));
      opened.on('error', () => {});
      opened.on('exit', (code: number | null, by?: string) => {
        ended = { code, signal: by ? `SIG${by.replace(/^SIG/, '')}` : null };
      });
      opened.on('close', settle);
    };
    try {
      client.exec(scriptWords(script, options.args ?? [], mark), started);
    } catch {
      broken();
    }
  });
}

/** Why a script did not run, and what was printed instead. */
function otherShell(out: MarkedStream, err: MarkedStream): string {
  const words = [out.noise(), err.noise()].filter((each) => each !== '').join(' / ');
  const told = words === '' ? 'It printed nothing.' : `It printed: ${words}`;
  return `there is a forced command, or a login shell that starts another program. ${told}`;
}
