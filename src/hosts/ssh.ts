import type { Client } from 'ssh2';
import { type Host, HostError, type ScriptOptions } from './host.js';
import { type Sftp, sftpOf } from './sftp.js';
import { type FileLink, getOver, putOver } from './ssh-files.js';
import { openLink } from './ssh-link.js';
import { nameOf, type SshLogin, type SshTimes } from './ssh-login.js';
import { NoChannel, runOver } from './ssh-run.js';
import { openTurns } from './turns.js';

export interface SshOptions extends SshLogin {
  times?: Partial<SshTimes>;
  /** How many commands may be under way at once; sshd's own bound on channels is 10, and SFTP takes one. */
  channels?: number;
}

/** A dead link is noticed within the 15 to 20 s that people bear to wait, and no hiccup of a second is one. */
const defaultTimes: SshTimes = { connect: 15_000, keepAlive: 5000, unanswered: 2, answer: 60_000 };

/**
 * A machine that is reached over SSH, by one connection that is opened when it is needed and again after it broke. What
 * was under way then fails as `unreachable`; it may go on there, so ask for nothing twice that must not be done twice.
 */
export function sshHost(options: SshOptions): Host {
  const name = nameOf(options);
  const times = { ...defaultTimes, ...options.times };
  const link = openLink(options, times);
  const turns = openTurns(options.channels ?? 8);

  async function run(script: string, scriptOptions: ScriptOptions = {}) {
    const { signal, urgent } = scriptOptions;
    for (;;) {
      const done = await turns.take(urgent, signal);
      try {
        return await runOver(await link.open(signal), name, script, scriptOptions);
      } catch (error) {
        if (!(error instanceof NoChannel)) throw error;
        if (!turns.lower()) {
          throw new HostError('refused', `${name} lets us in, but runs no command: ${error.message}.`);
        }
      } finally {
        done();
      }
    }
  }
  async function sftp(signal?: AbortSignal): Promise<Sftp> {
    const client: Client = await link.open(signal);
    return sftpOf(client, name, times.answer);
  }
  const files: FileLink = { name, run, sftp };

  return {
    run,
    put: (from, to, transfer) => putOver(files, from, to, transfer),
    get: (from, to, transfer) => getOver(files, from, to, transfer),
    async close() {
      link.close();
    },
  };
}
