import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'ssh2';
import { type Host, HostError, type Said, type ScriptOptions } from '../host.js';
import { openChannelTurns } from './channel-turns.js';
import { NoSftp, type Sftp, SftpEnded, sftpOf } from './sftp.js';
import { type FileLink, getOver, putOver } from './ssh-files.js';
import { openLink } from './ssh-link.js';
import { nameOf, type SshLogin, type SshTimes } from './ssh-login.js';
import { endScript, NoChannel, type RawSaid, runOver } from './ssh-run.js';

export interface SshOptions extends SshLogin {
  times?: Partial<SshTimes>;
  /** How many commands may run at once; sshd's own limit is 10 channels, and SFTP takes one. */
  channels?: number;
}

/**
 * A dead connection is noticed within the 15 to 20 s that people are willing to wait, and a hiccup of a second is
 * tolerated.
 */
const defaultTimes: SshTimes = { connect: 15_000, keepAlive: 5000, unanswered: 2, answer: 60_000 };

/** Milliseconds before a command that got no channel is retried. */
const channelPause = 50;
/**
 * Milliseconds for which commands may get no channel although no other is running. Then a new connection is tried once,
 * since an abandoned command may hold the last channel of this one.
 */
const renewAfter = 1000;
const refusedAfter = 6000;
/** Milliseconds for ending a command that was given up. */
const endTimeout = 10_000;

/**
 * A machine reached over SSH, by one connection that is opened when needed and again after it broke. Commands that were
 * running then fail as `unreachable`; they may go on there, so never repeat anything that must not be done twice.
 */
export function sshHost(options: SshOptions): Host {
  const name = nameOf(options);
  const times = { ...defaultTimes, ...options.times };
  const link = openLink(options, times);
  const turns = openChannelTurns(options.channels ?? 8);

  /** Since when no command has got a channel, and whether a new connection has been tried since. */
  let refused: { since: number; renewed: boolean } | null = null;
  let renewals = 0;
  function refusedOnce({ message }: NoChannel): void {
    refused ??= { since: performance.now(), renewed: false };
    const passed = performance.now() - refused.since;
    if (passed > renewAfter && !refused.renewed) {
      refused.renewed = true;
      renewals += 1;
      link.renew();
    }
    if (passed > refusedAfter) {
      refused = null;
      throw new HostError('refused', `${name} accepts the login, but runs no command: ${message}.`);
    }
  }
  async function raw(script: string, scriptOptions: ScriptOptions = {}): Promise<RawSaid> {
    const { signal, urgent } = scriptOptions;
    for (let tries = 1; ; tries += 1) {
      const done = await turns.take(urgent, signal);
      try {
        const said = await runOver(await link.open(signal), name, script, scriptOptions, endThere);
        refused = null;
        return said;
      } catch (error) {
        if (!(error instanceof NoChannel)) {
          refused = null;
          throw error;
        }
        // The first time, the machine may not have released the previous channel yet.
        if (tries > 1 && !turns.lower()) refusedOnce(error);
      } finally {
        done();
      }
      await delay(channelPause, undefined, { signal });
    }
  }
  async function run(script: string, scriptOptions?: ScriptOptions): Promise<Said> {
    const said = await raw(script, scriptOptions);
    return { ...said, stdout: said.stdout.toString() };
  }
  /** Ends an abandoned script there, in the background and on a best-effort basis. */
  function endThere(pid: string, start: string): void {
    raw(endScript, { args: [pid, start], timeout: endTimeout, urgent: true }).catch(() => {});
  }

  /** True once SFTP turned out to be unavailable: then the shell moves files. */
  let shellOnly = false;
  async function sftp(signal?: AbortSignal): Promise<Sftp | null> {
    if (shellOnly) return null;
    const client: Client = await link.open(signal);
    try {
      return await sftpOf(client, name, times.answer, () =>
        // SFTP keeps its channel for good. Without a second channel, no command could run any longer.
        runOver(client, name, ':', { timeout: times.answer }, endThere),
      );
    } catch (error) {
      if (!(error instanceof NoSftp || error instanceof NoChannel)) throw error;
      shellOnly = true;
      return null;
    }
  }
  const files: FileLink = { name, raw, run, sftp };
  /**
   * Moves a file. Uses the shell if SFTP breaks off, as it does when something else prints in between; retries if we
   * ended the connection ourselves.
   */
  async function move<T>(act: () => Promise<T>): Promise<T> {
    const before = renewals;
    try {
      return await act();
    } catch (error) {
      const ours = renewals > before && error instanceof HostError && error.problem === 'unreachable';
      if (error instanceof SftpEnded) shellOnly = true;
      else if (!ours) throw error;
      return act();
    }
  }

  return {
    run,
    put: (from, to, transfer) => move(() => putOver(files, from, to, transfer)),
    get: (from, to, transfer) => move(() => getOver(files, from, to, transfer)),
    async close() {
      link.close();
    },
  };
}
