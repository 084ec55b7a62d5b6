import type { Client, ClientChannel } from 'ssh2';
import { HostError, mostSaid, type Said, type ScriptOptions, usualTimeout } from './host.js';
import { shellWord } from './shell-word.js';

/** The other side takes no further channel on this connection, or none at all. */
export class NoChannel extends Error {}

/** The words by which any login shell runs a script of a POSIX shell's, with its arguments. It says its pid first. */
const scriptWords = (script: string, args: readonly string[] = []): string =>
  `exec /bin/sh -c ${[`echo $$\n${script}`, 'sh', ...args].map(shellWord).join(' ')}`;

/** The pid that a script says first, and what else it says. */
function parted(stdout: Buffer): { pid: string; rest: string } {
  const end = stdout.indexOf('\n');
  return { pid: stdout.toString('latin1', 0, Math.max(end, 0)), rest: stdout.toString('utf8', end + 1) };
}

/** Runs a script over an open connection. Throws `NoChannel` if it was not begun since there are too many already. */
export function runOver(client: Client, name: string, script: string, options: ScriptOptions): Promise<Said> {
  const { signal, timeout = usualTimeout } = options;
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  return new Promise((resolve, reject) => {
    let channel: ClientChannel | null = null;
    let over = false;
    const end = (act: () => void) => {
      if (over) return;
      over = true;
      clearTimeout(late);
      client.removeListener('close', broken);
      signal?.removeEventListener('abort', aborted);
      act();
    };
    const give = (error: Error) =>
      end(() => {
        reject(error);
        if (channel === null) return;
        channel.close();
        const { pid } = parted(Buffer.concat(out));
        // It shall end there, too. SSH's own signals do not reach what root runs.
        if (!/^\d+$/.test(pid)) return;
        try {
          client.exec(`kill -KILL -${pid}`, (_error, kill) => kill?.resume());
        } catch {
          // The connection is gone: nothing can be asked for over it any more.
        }
      });
    const broken = () =>
      end(() =>
        reject(
          new HostError('unreachable', `The connection to ${name} broke while a command was under way.`, {
            begun: true,
          }),
        ),
      );
    const aborted = () => give(signal?.reason as Error);
    const useless = (why: string) => give(new HostError('unreachable', why, { begun: true }));
    const late = setTimeout(
      () => useless(`${name} did not finish a command within ${timeout / 1000} s.`),
      timeout,
    );
    let said = 0;
    const keep = (into: Buffer[]) => (chunk: Buffer) => {
      said += chunk.length;
      if (said <= mostSaid) into.push(chunk);
      else useless(`${name} said more than ${mostSaid} bytes when it was asked something.`);
    };
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    client.once('close', broken);
    const started = (error: Error | undefined, opened: ClientChannel) => {
      if (error) return end(() => reject(new NoChannel(error.message)));
      channel = opened;
      if (over) return opened.close();
      const answer: Said = { code: null, signal: null, stdout: '', stderr: '' };
      opened.on('data', keep(out));
      opened.stderr.on('data', keep(err));
      opened.on('error', () => {});
      let told = false;
      opened.on('exit', (code: number | null, by?: string) => {
        told = true;
        answer.code = code;
        answer.signal = by ? `SIG${by.replace(/^SIG/, '')}` : null;
      });
      opened.on('close', () => {
        if (!told) return broken();
        answer.stdout = parted(Buffer.concat(out)).rest;
        answer.stderr = Buffer.concat(err).toString();
        end(() => resolve(answer));
      });
      opened.end(options.input ?? '');
    };
    try {
      client.exec(scriptWords(script, options.args), started);
    } catch {
      broken();
    }
  });
}
