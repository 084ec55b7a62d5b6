import type { Client, ClientChannel } from 'ssh2';
import { HostError, type Said, type ScriptOptions } from './host.js';
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
  const { signal, timeout } = options;
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
    const late =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            const why = `${name} did not finish a command within ${timeout / 1000} s.`;
            give(new HostError('unreachable', why, { begun: true }));
          }, timeout);
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    client.once('close', broken);
    const started = (error: Error | undefined, opened: ClientChannel) => {
      if (error) return end(() => reject(new NoChannel(error.message)));
      channel = opened;
      if (over) return opened.close();
      const said: Said = { code: null, signal: null, stdout: '', stderr: '' };
      opened.on('data', (chunk: Buffer) => out.push(chunk));
      opened.stderr.on('data', (chunk: Buffer) => err.push(chunk));
      opened.on('error', () => {});
      let told = false;
      opened.on('exit', (code: number | null, by?: string) => {
        told = true;
        said.code = code;
        said.signal = by ? `SIG${by.replace(/^SIG/, '')}` : null;
      });
      opened.on('close', () => {
        if (!told) return broken();
        said.stdout = parted(Buffer.concat(out)).rest;
        said.stderr = Buffer.concat(err).toString();
        end(() => resolve(said));
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
