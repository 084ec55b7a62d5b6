import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ended } from '../../cli/client/failure.js';
import type { CliIo } from '../../cli/terminal/io.js';
import { type Config, type Flags, loadConfig } from '../../config/config.js';
import { daemonClients } from '../../domain/daemon-clients.js';
import { punchHole } from '../../drivers/files/punch-hole.js';
import { type ControlGroups, openControlGroups } from '../../drivers/processes/cgroups/cgroup.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { findProgram } from '../../drivers/processes/find-program.js';
import { openFilesLimit } from '../../drivers/processes/own-limits.js';
import { bootId } from '../../drivers/processes/processes.js';
import { findReaper } from '../../drivers/processes/reaper.js';
import { messageOf } from '../../lib/errors.js';
import { examineCloud } from './doctor-cloud.js';
import { examineData } from './doctor-data.js';
import { examineMachines } from './doctor-machines.js';
import { examineNode } from './doctor-node.js';
import type { Finding } from './finding.js';

function attempt(check: string, action: () => Omit<Finding, 'check'>, mend: string): Finding {
  try {
    return { check, ...action() };
  } catch (error) {
    return { check, state: 'wrong', detail: messageOf(error), mend };
  }
}

async function examine(flags: Flags): Promise<Finding[]> {
  const findings: Finding[] = [];
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  findings.push({
    check: 'Node.js',
    state: major > 20 || (major === 20 && minor >= 19) ? 'ok' : 'wrong',
    detail: process.version,
    mend: 'install Node.js 20.19, 22 or 24',
  });
  let config: Config | undefined;
  findings.push(
    attempt(
      'configuration',
      () => {
        config = loadConfig(flags);
        return { state: 'ok', detail: config.configFolder ?? 'no config folder: using defaults' };
      },
      'correct the file as the message says; docs/configuration.md has every key',
    ),
  );
  if (config === undefined) return findings;
  const { data, database } = config;
  findings.push(...examineData(config));
  const { default: Database } = await import('better-sqlite3');
  findings.push(
    attempt(
      'database',
      () => {
        if (!existsSync(database)) return { state: 'ok', detail: `the first start will create ${database}` };
        const opened = new Database(database, { readonly: true, timeout: 5000 });
        const result = opened.pragma('quick_check', { simple: true });
        opened.close();
        return {
          state: result === 'ok' ? 'ok' : 'wrong',
          detail: `${database}: ${String(result)}`,
          mend: 'stop the server and put back the latest backup (docs/operations.md)',
        };
      },
      'stop the server and put back the latest backup (docs/operations.md)',
    ),
  );
  findings.push(
    attempt(
      'shell',
      () => {
        const { status, stdout } = spawnSync(
          '/bin/sh',
          ['-c', 'set -C; command exec 3>/dev/null; echo fine'],
          { encoding: 'utf8' },
        );
        const fine = status === 0 && stdout === 'fine\n';
        return {
          state: fine ? 'ok' : 'wrong',
          detail: '/bin/sh',
          mend: 'programs are started by /bin/sh, a POSIX shell',
        };
      },
      'install a POSIX shell as /bin/sh',
    ),
    attempt(
      'processes',
      () => ({ state: 'ok', detail: `/proc is readable, boot ${bootId()}` }),
      'mount /proc: Penstock needs it to find and end programs',
    ),
  );
  const most = openFilesLimit();
  findings.push({
    check: 'open files',
    state: most < 256 ? 'wrong' : most < 1024 ? 'note' : 'ok',
    detail: `a process may open ${most}`,
    mend: 'raise the limit with `ulimit -n 4096`, or LimitNOFILE=4096 in a systemd unit',
  });
  findings.push(await examineHoles(data));
  const probe = `penstock-doctor-${process.pid}`;
  const groups = openControlGroups(probe);
  const { folders, unkept } = groups.create('probe', { memory: 64 * 1024 * 1024, cpus: 1, processes: 10 });
  groups.remove([...folders, ...folders.map((folder) => path.dirname(folder))]);
  findings.push({
    check: 'control groups',
    state: unkept.length === 0 ? 'ok' : 'note',
    detail:
      unkept.length === 0
        ? 'memory, cpus and processes can be limited'
        : `cannot limit ${unkept.join(', ')} here`,
    mend: 'run the server as root or in a delegated cgroup; without one, memory is limited only by address space',
  });
  findings.push(...examineEnding(groups));
  if (config.tls !== null) {
    for (const [check, file] of Object.entries(config.tls)) {
      findings.push(
        attempt(
          `TLS ${check}`,
          () => {
            accessSync(file, constants.R_OK);
            return { state: 'ok', detail: file };
          },
          `make ${file} readable, or correct its path in application.yaml`,
        ),
      );
    }
  } else if (!['127.0.0.1', 'localhost', '::1'].includes(config.host)) {
    findings.push({
      check: 'TLS',
      state: 'note',
      detail: `passwords are sent unencrypted to ${config.host}`,
      mend: 'set TLS_CERTIFICATE and TLS_KEY, or put a TLS proxy in front',
    });
  }
  findings.push(...(await examineNode(config)));
  findings.push(...(await examineMachines(config)));
  findings.push(...(await examineCloud(config)));
  const { amqp_url } = config.streams;
  if (amqp_url !== null) findings.push(await examineBroker(amqp_url));
  return findings;
}

/** Whether everything that a job starts can be ended with it. */
function examineEnding(groups: ControlGroups): Finding[] {
  const check = 'ending of jobs';
  const home = groups.makeHome('probe');
  if (home !== null) groups.remove([home, path.dirname(home)]);
  const reaper = home === null ? findReaper() : null;
  const clients = daemonClients.filter((name) => {
    try {
      return findProgram(name, '/', basicEnvironment.PATH) !== '';
    } catch {
      return false;
    }
  });
  const means = home !== null ? 'control groups' : reaper?.[0];
  return [
    means === undefined
      ? {
          check,
          state: 'note',
          detail:
            'a daemon that leaves its session and clears its environment is not found and keeps running',
          mend: 'run the server in a delegated cgroup (docs/operations.md), or install perl or python3',
        }
      : { check, state: 'ok', detail: `${means} finds all processes of a job` },
    ...(clients.length === 0
      ? []
      : [
          {
            check: 'daemons',
            state: 'note' as const,
            detail: `${clients.join(', ')}: work that a job hands to a daemon with these does not end with the job`,
            mend: 'let the program wait for that work and end it on SIGTERM (docs/jobs.md, Cancelling)',
          },
        ]),
  ];
}

/** Whether the beginning of a log can be cut off while its program keeps writing. */
async function examineHoles(data: string): Promise<Finding> {
  const check = 'logs of services';
  const file = path.join(data, `.doctor-${process.pid}`);
  try {
    writeFileSync(file, Buffer.alloc(64 * 1024, 'x'), { mode: 0o600 });
    const cut = (await punchHole(file, 0, 32 * 1024)) && readFileSync(file)[0] === 0;
    if (cut) return { check, state: 'ok', detail: 'can be shortened while they are written' };
  } catch {
    // What is wrong with the folder has been reported already.
  } finally {
    rmSync(file, { force: true });
  }
  return {
    check,
    state: 'note',
    detail: 'start over when they have grown too large, because files cannot have holes here',
    mend: 'install util-linux (fallocate) and keep the data on ext4, XFS, Btrfs, tmpfs or ZFS',
  };
}

async function examineBroker(url: string): Promise<Finding> {
  const check = 'message broker';
  const mend = 'start it, or correct amqp_url in streams.yaml; events of jobs wait in the database meanwhile';
  try {
    const { openBroker } = await import('../../drivers/streams/broker.js');
    const broker = await openBroker(
      { url, timeout: 5000, heartbeat: 20 },
      { blocked: () => undefined, lost: () => undefined },
    );
    await broker.close();
    return { check, state: 'ok', detail: broker.name };
  } catch (error) {
    return { check, state: 'wrong', detail: messageOf(error), mend };
  }
}

/** `penstock doctor`: what works, what does not, and how to fix it. Exits with 1 if something is wrong. */
export async function doctor(flags: Flags & { json?: boolean }, io: CliIo): Promise<void> {
  const findings = await examine(flags);
  if (flags.json) io.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    for (const { check, state, detail, mend } of findings) {
      const mark = { ok: 'ok   ', note: 'note ', wrong: 'WRONG' }[state];
      io.stdout.write(
        `${mark}  ${check}: ${detail}\n${state === 'ok' || mend === undefined ? '' : `       → ${mend}\n`}`,
      );
    }
  }
  if (findings.some(({ state }) => state === 'wrong')) throw new Ended(1);
}
